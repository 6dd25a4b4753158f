// Threads that work on one thing together and meet at barriers: the only file of the kernel that knows threads.
//
// A barrier is waited for with short spins, since members arrive within microseconds of each other, and then with
// yields, so that a machine that is busy with something else loses little.

#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

class Team {
public:
    explicit Team(int size) {
        try {
            while (this->size() < size) threads_.emplace_back([this, member = this->size()] { serve(member); });
        } catch (const std::system_error&) {
            // the system gives no more threads: a smaller team does
        }
    }
    ~Team() {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        for (std::thread& thread : threads_) thread.join();
    }
    int size() const { return (int)threads_.size() + 1; }

    // Runs `work` as members 0 to `members` - 1, one or all; returns the share of the time that member 0 waited.
    double run(int members, const std::function<void(int)>& work) {
        const auto start = Clock::now();
        waited_ = {};
        members_ = members;
        if (members > 1) {
            {
                std::lock_guard<std::mutex> lock(mutex_);
                work_ = &work;
                turn_.store(turn_.load() + 1, std::memory_order_release);
            }
            wake_.notify_all();
        }
        work(0);
        meet(0);
        return std::chrono::duration<double>(waited_) / std::chrono::duration<double>(Clock::now() - start);
    }

    void meet(int member) {
        if (members_ == 1) return;
        const int round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) == members_ - 1) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        const auto start = member ? Clock::time_point() : Clock::now();
        for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) relax(spins);
        if (!member) waited_ += Clock::now() - start;
    }

private:
    using Clock = std::chrono::steady_clock;

    static void relax(int spins) {
        if (spins > 2000) return std::this_thread::yield();
#if defined(__x86_64__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }

    void serve(int member) {
        for (int seen = 0;; ++seen) {
            for (int spins = 0; turn_.load(std::memory_order_acquire) == seen && spins < 4000; ++spins) relax(spins);
            if (turn_.load(std::memory_order_acquire) == seen) {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [&] { return stopping_ || turn_.load() != seen; });
                if (stopping_) return;
            }
            (*work_)(member);
            meet(member);
        }
    }

    std::vector<std::thread> threads_;
    int members_ = 1;
    const std::function<void(int)>* work_ = nullptr;
    std::atomic<int> turn_{0}, round_{0}, arrived_{0};
    Clock::duration waited_{};
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
};
