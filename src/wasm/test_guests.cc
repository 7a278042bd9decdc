#include "wasm/test_guests.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <fmt/core.h>

#include "wasm/text_format.h"

namespace trilby::wasm {
namespace {

[[noreturn]] void give_up(std::string_view what, const std::string& why) {
  fmt::print(stderr, "{}: {}\n", what, why);
  std::abort();
}

}  // namespace

std::vector<std::byte> assemble(std::string_view text) {
  auto bytes = module_from_text(text);
  if (!bytes) {
    give_up("a test's guest", bytes.error().message);
  }
  return std::move(*bytes);
}

std::vector<std::byte> guest_bytes(const std::string& name) {
  const std::string path = std::string(TRILBY_GUESTS) + "/" + name + ".wat";
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    give_up(path, "cannot be opened");
  }
  return assemble(std::string(std::istreambuf_iterator<char>(file), {}));
}

TestDirectory::TestDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "trilby-test-XXXXXX").native();
  if (mkdtemp(name.data()) == nullptr) {
    give_up(name, "cannot be made");
  }
  path_ = name;
}

TestDirectory::~TestDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TestDirectory::write(const std::string& name, const std::vector<std::byte>& bytes) const {
  const std::filesystem::path path = path_ / name;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path;
}

}  // namespace trilby::wasm
