// Modules with something wrong in them, made at random from those of tests/guests, always the same ones.
#include <filesystem>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "invoke/test_calls.h"
#include "wasm/inspect.h"

namespace trilby::invoke {
namespace {

using Module = std::vector<std::byte>;

constexpr int kMutationsOfEach = 60;

std::vector<std::string> guests() {
  std::set<std::string> names;  // in the same order everywhere
  for (const auto& file : std::filesystem::directory_iterator(TRILBY_GUESTS)) {
    if (file.path().extension() == ".wat") {
      names.insert(file.path().stem());
    }
  }
  return {names.begin(), names.end()};
}

/// Changes a module in a few places, as accidents and attackers do: flips bits, writes the numbers that break readers,
/// cuts, repeats and moves pieces.
class Mutator {
 public:
  Module mutate(Module module) {
    change(module);
    if (below(2) == 0) {
      change(module);
    }
    return module;
  }

 private:
  std::size_t below(std::size_t end) { return end == 0 ? 0 : random_() % end; }

  void change(Module& module) {
    constexpr std::uint8_t kOddBytes[] = {0x00, 0x01, 0x0B, 0x10, 0x40, 0x7F, 0x80, 0xFC, 0xFE, 0xFF};
    const std::size_t at = 8 + below(module.size() - 8);
    const auto place = module.begin() + static_cast<std::ptrdiff_t>(at);
    const std::size_t length = std::min(below(32), module.size() - at);
    const Module piece(place, place + static_cast<std::ptrdiff_t>(length));
    switch (below(6)) {
      case 0:
        *place ^= static_cast<std::byte>(1U << below(8));
        break;
      case 1:
        *place = std::byte{kOddBytes[below(std::size(kOddBytes))]};
        break;
      case 2:
        *place = static_cast<std::byte>(std::to_integer<unsigned>(*place) + (below(2) == 0 ? 1U : ~0U));
        break;
      case 3:
        module.erase(place, place + static_cast<std::ptrdiff_t>(length));
        break;
      case 4:
        module.insert(place, piece.begin(), piece.end());
        break;
      default:
        module.insert(module.begin() + static_cast<std::ptrdiff_t>(8 + below(module.size() - 8)), piece.begin(),
                      piece.end());
        break;
    }
    module.resize(std::max<std::size_t>(module.size(), 9));
  }

  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same modules in every run
  std::mt19937 random_{20261125};
};

policy::Limits small_limits() {
  policy::Limits limits;
  limits.memory = 4_MiB;
  limits.cpu = 2ms;
  limits.wall = 20ms;
  limits.response_body = 64_KiB;
  return limits;
}

// A mutated module is refused for a reason that is said, or runs within its limits; either way the process goes on.
TEST(Mutation, OfAModuleIsRefusedOrRunsWithinItsLimits) {
  const wasm::TestDirectory directory;
  const auto honest = test_function("echo");
  Mutator mutator;
  int refused = 0;
  int ran = 0;
  for (const std::string& guest : guests()) {
    const Module module = wasm::guest_bytes(guest);
    for (int i = 0; i < kMutationsOfEach; ++i) {
      const auto path = directory.write("mutated.wasm", mutator.mutate(module));
      const auto function = prepare(spec_of("mutated", path, small_limits()), test_engine(), nullptr, nullptr);
      if (!function) {
        ++refused;
        ASSERT_EQ(function.error().reason, Reason::Manifest) << guest << ' ' << i << ' ' << function.error().message;
        ASSERT_FALSE(function.error().message.empty());
        continue;
      }
      ++ran;
      const Outcome outcome = run_once(*function, test_call("\x01\xff"));
      ASSERT_NE(outcome.reason, Reason::Internal) << guest << ' ' << i << ' ' << outcome.message;
    }
    Outcome next = run_once(honest, test_call("honest"));
    ASSERT_EQ(read_body(next), "honest") << guest;
  }
  EXPECT_EQ(test_engine().live(), 0U);
  EXPECT_GT(refused, 100) << "most mutations break a module";
  EXPECT_GT(ran, 50) << "and some do not";
}

}  // namespace
}  // namespace trilby::invoke
