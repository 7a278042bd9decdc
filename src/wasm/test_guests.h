/// \file  The guests of tests/guests/, assembled when a test asks for them. For tests and benchmarks only.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace trilby::wasm {

/// Assembles WebAssembly text. Ends the process with the assembler's words when it is wrong.
[[nodiscard]] std::vector<std::byte> assemble(std::string_view text);
/// Bytes of `tests/guests/<name>.wat`.
[[nodiscard]] std::vector<std::byte> guest_bytes(const std::string& name);

/// A directory of its own for one test, removed with it.
class TestDirectory {
 public:
  TestDirectory();
  ~TestDirectory();
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Writes a file into it. \return its path
  [[nodiscard]] std::filesystem::path write(const std::string& name, const std::vector<std::byte>& bytes) const;
  /// Writes `tests/guests/<name>.wat`, assembled.
  [[nodiscard]] std::filesystem::path guest(const std::string& name) const {
    return write(name + ".wasm", guest_bytes(name));
  }

 private:
  std::filesystem::path path_;
};

}  // namespace trilby::wasm
