#include <doctest/doctest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "error_fixtures.hpp"
#include "veilsum/base/error.hpp"
#include "veilsum/base/parallel.hpp"
#include "veilsum/base/secret.hpp"
#include "veilsum/base/wire.hpp"

using namespace veilsum;
using veilsum::testing::code_of;

namespace {

Bytes sample_message() {
    Writer writer(WireKind::public_key, 1);
    writer.u8(7);
    writer.u32(0x01020304);
    writer.u64(0x0102030405060708);
    writer.f64(-0.5);
    return std::move(writer).finish();
}

}  // namespace

TEST_CASE("parallel_for covers every index once, for any grain and thread count") {
    for (const std::size_t n : {0u, 1u, 7u, 100u, 1000u}) {
        for (const std::size_t grain : {0u, 1u, 3u, 1000u}) {
            for (const unsigned num_threads : {1u, 2u, 5u}) {
                std::vector<std::atomic<int>> hits(n);
                Execution execution;
                execution.num_threads = num_threads;
                parallel_for(n, grain, execution, [&](std::size_t begin, std::size_t end) {
                    for (std::size_t i = begin; i < end; ++i) ++hits[i];
                });
                for (const auto& hit : hits) REQUIRE(hit == 1);
            }
        }
    }
}

TEST_CASE("parallel_for rethrows the body's exception and stops the other threads") {
    std::atomic<int> num_run{0};
    Execution execution;
    execution.num_threads = 3;
    const auto body = [&](std::size_t, std::size_t) {
        const int run = ++num_run;
        if (run == 10) throw std::logic_error("x");
        // Idle pieces could all be done before a thread that lost its processor reports its error.
        if (run > 10) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    CHECK_THROWS_AS(parallel_for(100000, 1, execution, body), std::logic_error);
    CHECK(num_run < 100000);
}

TEST_CASE("parallel_for stops soon after cancelled says so, and reports progress") {
    std::size_t last = 0;
    Execution execution;
    execution.num_threads = 2;
    execution.progress = [&](std::size_t done, std::size_t total) {
        CHECK(done >= last);
        CHECK(total == 1000000);
        last = done;
    };
    execution.cancelled = [&] { return last > 0; };
    const auto slow = [](std::size_t, std::size_t) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    };
    CHECK(code_of([&] { parallel_for(1000000, 1, execution, slow); }) == Errc::cancelled);
    CHECK(last < 1000000);
}

TEST_CASE("what a callback throws passes through parallel_for once its threads have ended") {
    std::atomic<int> num_inside{0};
    Execution execution;
    execution.num_threads = 3;
    execution.cancelled = []() -> bool { throw 7; };
    const auto slow = [&](std::size_t, std::size_t) {
        ++num_inside;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        --num_inside;
    };
    CHECK_THROWS_AS(parallel_for(1000000, 1, execution, slow), int);
    CHECK(num_inside == 0);
}

#if defined(__GLIBC__)  // Whose pthread_exit unwinds the stack.
TEST_CASE("a callback may end its thread; the threads of parallel_for end before it") {
    static std::atomic<int> num_inside{0};
    const auto work = [](void*) -> void* {
        Execution execution;
        execution.num_threads = 3;
        execution.cancelled = []() -> bool { pthread_exit(nullptr); };
        parallel_for(1000000, 1, execution, [](std::size_t, std::size_t) {
            ++num_inside;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            --num_inside;
        });
        return &num_inside;
    };
    pthread_t thread{};
    REQUIRE(pthread_create(&thread, nullptr, work, nullptr) == 0);
    void* result = &thread;
    REQUIRE(pthread_join(thread, &result) == 0);
    CHECK(result == nullptr);
    CHECK(num_inside == 0);
}
#endif

TEST_CASE("serial_for goes in order on the calling thread, without progress") {
    Execution execution;
    execution.num_threads = 4;
    execution.progress = [](std::size_t, std::size_t) { CHECK(false); };
    std::size_t next = 0;
    const auto caller = std::this_thread::get_id();
    serial_for(1000, 7, execution, [&](std::size_t begin, std::size_t end) {
        CHECK(begin == next);
        CHECK(std::this_thread::get_id() == caller);
        next = end;
    });
    CHECK(next == 1000);
}

TEST_CASE("blocks are even, in order, and report the progress of the whole") {
    for (const std::size_t n : {0u, 1u, 10u, 11u, 1000u}) {
        std::size_t next = 0;
        std::size_t last = 0;
        Execution execution;
        execution.progress = [&](std::size_t done, std::size_t total) {
            CHECK(total == n);
            CHECK(done >= last);
            last = done;
        };
        for_each_block(n, 10, execution,
                       [&](std::size_t begin, std::size_t end, const Execution& part) {
                           CHECK(begin == next);
                           CHECK(end - begin <= 10);
                           CHECK(2 * (end - begin) >= std::min<std::size_t>(n, 10));
                           next = end;
                           parallel_for(end - begin, 3, part, [](std::size_t, std::size_t) {});
                       });
        CHECK(next == n);
        CHECK(last == n);
    }
}

TEST_CASE("many short steps are cancelled as one long one is") {
    Execution execution;
    execution.num_threads = 1;
    execution.cancelled = [] { return true; };
    std::size_t num_steps = 0;
    const auto steps = [&] {
        for (; num_steps < 1000000; ++num_steps) {
            parallel_for(1, 1, execution.without_progress(), [](std::size_t, std::size_t) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            });
        }
    };
    CHECK(code_of(steps) == Errc::cancelled);
    CHECK(num_steps < 100000);
}

TEST_CASE("bytes are copied whole, of whatever length") {
    for (const std::size_t size : {0u, 1u, (1u << 22) + 5u}) {
        Bytes in(size);
        for (std::size_t i = 0; i < size; ++i) in[i] = static_cast<std::byte>(i % 251);
        Bytes out(size);
        copy_bytes(out.data(), in, {});
        CHECK(std::ranges::equal(in, out));
        Writer writer(WireKind::ciphertexts, 1);
        writer.bytes(in, {});
        CHECK(std::move(writer).finish().size() == kFrameBytes + size);
    }
    const auto zeros = make_secret<std::uint64_t>((1u << 21) + 3u, {});
    CHECK(zeros.size() == (1u << 21) + 3u);
    CHECK(std::ranges::count(zeros, 0u) == (1 << 21) + 3);
}

TEST_CASE("parallel_for reports the end") {
    std::size_t last = 0;
    Execution execution;
    execution.progress = [&](std::size_t done, std::size_t) { last = done; };
    parallel_for(10, 1, execution, [](std::size_t, std::size_t) {});
    CHECK(last == 10);
}

TEST_CASE("a wire message reads back as written") {
    const Bytes message = sample_message();
    CHECK(wire_kind(message) == WireKind::public_key);
    Reader reader(message, WireKind::public_key, 1);
    CHECK(reader.u8() == 7);
    CHECK(reader.u32() == 0x01020304);
    CHECK(reader.u64() == 0x0102030405060708);
    CHECK(reader.f64() == -0.5);
    reader.finish();
}

TEST_CASE("the reader refuses truncated, extended and mislabelled messages") {
    const Bytes message = sample_message();
    const auto open = [](const Bytes& bytes) { Reader(bytes, WireKind::public_key, 1); };
    for (std::size_t size = 0; size < message.size(); ++size) {
        const Bytes cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(code_of([&] { open(cut); }) == Errc::malformed);
    }
    Bytes extended = message;
    extended.push_back(std::byte{0});
    CHECK(code_of([&] { open(extended); }) == Errc::malformed);
    for (std::size_t i = 0; i < kFrameBytes; ++i) {
        Bytes changed = message;
        changed[i] ^= std::byte{0x40};
        CHECK(code_of([&] { open(changed); }) == Errc::malformed);
    }
    CHECK(code_of([&] { Reader(message, WireKind::ciphertexts, 1); }) == Errc::malformed);
    CHECK(code_of([&] { Reader(message, WireKind::public_key, 2); }) == Errc::malformed);
}

TEST_CASE("the reader refuses to read past the end or to leave bytes over") {
    const Bytes message = sample_message();
    Reader reader(message, WireKind::public_key, 1);
    CHECK(code_of([&] { reader.bytes(SIZE_MAX); }) == Errc::malformed);
    CHECK(code_of([&] { reader.finish(); }) == Errc::malformed);
    CHECK(reader.bytes(reader.remaining()).size() == 21);
    CHECK(code_of([&] { reader.u8(); }) == Errc::malformed);
}

TEST_CASE("wipe clears memory") {
    std::vector<unsigned char> data(100, 0xff);
    wipe(data.data(), data.size());
    for (const unsigned char value : data) CHECK(value == 0);
}
