"""A thermostat's logic: readings, a schedule for the week, and when the heating goes on."""

from __future__ import annotations

import logging
import statistics
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta

log = logging.getLogger(__name__)

MAX_AGE = timedelta(minutes=15)
HYSTERESIS = 0.5


class Sensor:
    """Keeps the latest readings of one room."""

    def __init__(self, room: str, read: Callable[[], float], size: int = 12) -> None:
        self.room = room
        self._read = read
        self._readings: deque[tuple[datetime, float]] = deque(maxlen=size)

    def poll(self, now: datetime) -> float | None:
        """Take a reading; a sensor that does not answer is left for the next time."""
        try:
            value = self._read()
        except OSError as error:
            log.warning("no reading from %s: %s", self.room, error)
            return None
        if not -30.0 < value < 60.0:
            log.warning("%s reports %.1f degrees, which is ignored", self.room, value)
            return None
        self._readings.append((now, value))
        return value

    def recent(self, now: datetime) -> Iterator[float]:
        """Readings that are not too old."""
        for taken_at, value in self._readings:
            if now - taken_at <= MAX_AGE:
                yield value

    def temperature(self, now: datetime) -> float | None:
        values = list(self.recent(now))
        if not values:
            return None
        return statistics.median(values)


class Schedule:
    """Target temperatures by weekday and time of day."""

    def __init__(self, default: float = 17.0) -> None:
        self._default = default
        self._entries: dict[int, list[tuple[time, float]]] = {day: [] for day in range(7)}

    def add(self, days: range, start: time, target: float) -> None:
        """From `start` on, on these days, the rooms shall have the target temperature."""
        if not 5.0 <= target <= 30.0:
            raise ValueError(f"a target of {target} degrees is out of range")
        for day in days:
            entries = self._entries[day]
            entries.append((start, target))
            entries.sort()

    def target(self, now: datetime) -> float:
        """The latest entry of today that has begun."""
        current = self._default
        for start, target in self._entries[now.weekday()]:
            if start > now.time():
                break
            current = target
        return current


class Thermostat:
    """Switches the heating of one house."""

    def __init__(self, sensors: list[Sensor], schedule: Schedule, switch: Callable[[bool], None]) -> None:
        self._sensors = sensors
        self._schedule = schedule
        self._switch = switch
        self.is_on = False

    def coldest(self, now: datetime) -> float | None:
        temperatures = [sensor.temperature(now) for sensor in self._sensors]
        known = [value for value in temperatures if value is not None]
        return min(known, default=None)

    def step(self, now: datetime) -> bool:
        """Poll all rooms and decide; without any reading the heating stays as it is."""
        for sensor in self._sensors:
            sensor.poll(now)
        coldest = self.coldest(now)
        if coldest is None:
            log.error("no room has a reading: the heating stays %s", "on" if self.is_on else "off")
            return self.is_on
        target = self._schedule.target(now)
        if self.is_on and coldest >= target + HYSTERESIS:
            self._set(False)
        elif not self.is_on and coldest <= target - HYSTERESIS:
            self._set(True)
        return self.is_on

    def _set(self, on: bool) -> None:
        self._switch(on)
        self.is_on = on
        log.info("heating %s", "on" if on else "off")


def working_week() -> Schedule:
    """Warm mornings and evenings, cool nights; weekends are warm all day."""
    schedule = Schedule(default=16.0)
    schedule.add(range(5), time(6, 30), 20.0)
    schedule.add(range(5), time(8, 30), 17.5)
    schedule.add(range(5), time(17, 0), 21.0)
    schedule.add(range(5, 7), time(8, 0), 21.0)
    schedule.add(range(7), time(22, 30), 16.0)
    return schedule
