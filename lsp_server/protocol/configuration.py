"""The editor's settings: what it sent at the start, what it answers, and its changes. Bad values are told once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from lsp_server.protocol.notices import Notices
from lsp_server.settings import Settings, merge

SECTION = "parrotlet"
ANSWER_SECONDS = 5.0
"""An editor that has not answered by then keeps the settings it has."""

log = logging.getLogger(__name__)


class Configuration:
    """One editor window's settings."""

    def __init__(self, server: LanguageServer, notices: Notices) -> None:
        self.settings = Settings()
        self._server = server
        self._notices = notices
        self._initial: Mapping[str, Any] = {}  # Any: JSON from an editor

    def initialize(self, options: object) -> None:
        """Take initializationOptions, with or without the `parrotlet` section around them."""
        self._initial = _section(options)
        self._apply({})

    async def start(self) -> None:
        """Subscribe to changes where the editor wants that, and ask for the settings."""
        workspace = self._server.client_capabilities.workspace
        changes = workspace.did_change_configuration if workspace else None
        if changes and changes.dynamic_registration:
            await self._subscribe()
        await self.pull()

    async def pull(self) -> bool:
        """Ask the editor; False where it cannot be asked or gives no answer."""
        workspace = self._server.client_capabilities.workspace
        if not workspace or not workspace.configuration:
            return False
        question = types.ConfigurationParams(items=[types.ConfigurationItem(section=SECTION)])
        try:
            answer = await asyncio.wait_for(self._server.workspace_configuration_async(question), ANSWER_SECONDS)
        except (asyncio.TimeoutError, JsonRpcException):
            log.debug("no answer to workspace/configuration")
            return False
        if not answer or answer[0] is None:
            return False
        self._apply(_section(answer[0]))
        return True

    async def change(self, pushed: object) -> None:
        """The editor says that settings changed; what it answers counts more than what it pushed along."""
        if not await self.pull():
            self._apply(_section(pushed))

    async def _subscribe(self) -> None:
        registration = types.Registration(
            id="parrotlet.configuration",
            method=types.WORKSPACE_DID_CHANGE_CONFIGURATION,
            register_options=types.DidChangeConfigurationRegistrationOptions(section=SECTION),
        )
        params = types.RegistrationParams(registrations=[registration])
        try:
            await asyncio.wait_for(self._server.client_register_capability_async(params), ANSWER_SECONDS)
        except (asyncio.TimeoutError, JsonRpcException):
            log.debug("the editor did not take the subscription to settings")

    def _apply(self, changes: Mapping[str, Any]) -> None:
        self.settings, errors = merge(Settings(), {**self._initial, **changes})
        for error in errors:
            self._notices.once(str(error))


def _section(values: object) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        return {}
    inner = values.get(SECTION)
    return inner if isinstance(inner, Mapping) else values
