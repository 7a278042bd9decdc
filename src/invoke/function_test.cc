#include "invoke/function.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "inference/model_host.h"
#include "invoke/command.h"
#include "invoke/test_calls.h"

namespace trilby::invoke {
namespace {

std::string why(const std::vector<std::byte>& module, const policy::Limits& limits = {}) {
  const wasm::TestDirectory directory;
  const auto function =
      prepare(spec_of("f", directory.write("f.wasm", module), limits), test_engine(), nullptr, nullptr);
  return function ? "it was accepted" : std::string(name(function.error().reason)) + " " + function.error().message;
}
std::string why(std::string_view text, const policy::Limits& limits = {}) {
  return why(wasm::assemble(text), limits);
}

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(Prepare, NamesTheFunctionAndTheFile) {
  const auto function = prepare(spec_of("gray", "/nowhere/gray.wasm"), test_engine(), nullptr, nullptr);
  ASSERT_FALSE(function);
  EXPECT_EQ(function.error().reason, Reason::Manifest);
  EXPECT_EQ(function.error().message,
            "function gray: /nowhere/gray.wasm: /nowhere/gray.wasm cannot be opened: No such file or directory");
}

TEST(Prepare, RefusesWhatIsNoModule) {
  EXPECT_SAYS(why(std::vector<std::byte>{}), "manifest ");
  EXPECT_SAYS(why(std::vector<std::byte>{}), "not WebAssembly");
  const std::string_view text = "(module)";
  const auto bytes = std::as_bytes(std::span(text));
  EXPECT_SAYS(why(std::vector<std::byte>(bytes.begin(), bytes.end())), "wat2wasm");
  auto truncated = wasm::guest_bytes("echo");
  truncated.resize(truncated.size() - 3);
  EXPECT_SAYS(why(truncated), "truncated");
  EXPECT_SAYS(why(R"((module (func (export "_start") i32.add)))"), "the engine refuses it");
}

TEST(Prepare, RefusesADirectoryAndAGiant) {
  const wasm::TestDirectory directory;
  const auto prepared = [](const std::filesystem::path& path) {
    return prepare(spec_of("f", path), test_engine(), nullptr, nullptr);
  };
  EXPECT_SAYS(prepared(directory.path()).error().message, "no regular file");
  const auto giant = directory.write("giant.wasm", {});
  std::filesystem::resize_file(giant, wasm::kMaxModule.count + 1);
  EXPECT_SAYS(prepared(giant).error().message, "modules may have 64MiB");
}

TEST(Prepare, NamesAnImportNobodyProvidesAndWhoDoes) {
  const std::string message =
      why(R"((module (import "env" "tanh_fast" (func)) (import "wasi_unstable" "fd_write" (func))
      (memory (export "memory") 1) (func (export "_start"))))");
  EXPECT_SAYS(message, "env.tanh_fast (a symbol that the linker left open");
  EXPECT_SAYS(message, "wasi_unstable.fd_write (WASI of 2019");
}

TEST(Prepare, RefusesAnImportOfAnotherType) {
  EXPECT_SAYS(
      why(R"((module (import "wasi_snapshot_preview1" "fd_write" (func (param i64))) (func (export "_start"))))"),
      "cannot be linked");
}

TEST(Prepare, KnowsOtherConventionsAndSaysWhatToDo) {
  std::vector<std::byte> component = {std::byte{0},    std::byte{'a'}, std::byte{'s'}, std::byte{'m'},
                                      std::byte{0x0D}, std::byte{0},   std::byte{1},   std::byte{0}};
  EXPECT_SAYS(why(component), "Wasm components are not supported yet");
  EXPECT_SAYS(why(R"((module (func (export "__wbindgen_malloc")) (func (export "_start"))))"),
              "bindgen modules are not supported yet");
  EXPECT_SAYS(why(R"((module (func (export "run"))))"), "it exports no `_start`");
  EXPECT_SAYS(why(R"((module (func (export "_start") (param i32))))"), "without parameters");
  EXPECT_SAYS(why(R"((module (memory (export "_start") 1)))"), "without parameters");
}

TEST(Prepare, ChecksWhatAModuleDeclaresAgainstItsLimits) {
  policy::Limits small;
  small.memory = 1_MiB;
  EXPECT_SAYS(why(R"((module (memory 17) (func (export "_start"))))", small), "raise limits.memory");
  EXPECT_EQ(why(R"((module (memory 16) (func (export "_start"))))", small), "it was accepted");
  EXPECT_SAYS(why(R"((module (table 100001 funcref) (func (export "_start"))))"),
              "its tables begin with 100001 elements and its limit is 100000; raise limits.table_elements");
  policy::Limits none;
  none.table_elements = 0;
  EXPECT_SAYS(why(R"((module (table 1 funcref) (memory (export "memory") 1) (func (export "_start"))))", none),
              "its tables begin with 1 elements and its limit is 0");
  EXPECT_SAYS(why(R"((module (memory i64 1) (func (export "_start"))))"), "64-bit memory");
  EXPECT_SAYS(why(R"((module (memory 1) (memory 1) (func (export "_start"))))"), "more than one memory");
  EXPECT_SAYS(why(R"((module (memory 1 2 shared) (func (export "_start"))))"), "shared memory");
  small.cpu = 0ms;
  EXPECT_SAYS(why(R"((module (func (export "_start"))))", small), "cpu must be between");
  small = {};
  small.memory = 128_MiB;
  EXPECT_SAYS(why(R"((module (func (export "_start"))))", small), "internal");
}

TEST(Prepare, WantsGrantedModelsToExist) {
  const wasm::TestDirectory directory;
  const auto models = inference::ModelHost::load({}).value();
  FunctionSpec spec = spec_of("f", directory.guest("echo"));
  spec.policy.grants.models.insert("food");
  EXPECT_SAYS(prepare(spec, test_engine(), nullptr, models.get()).error().message, "[model.food]");
  EXPECT_TRUE(prepare(spec, test_engine(), nullptr, nullptr)) << "models are not looked at";
}

TEST(Judge, FollowsTheTable) {
  using How = wasm::Ending::How;
  const auto judged = [](How how, int code, std::uint32_t denied, bool grant) {
    return judge({.how = how, .exit_code = code, .reason = Reason::LimitWall, .message = {}}, denied, grant);
  };
  EXPECT_EQ(judged(How::Returned, 0, 9, true), Reason::Ok);
  EXPECT_EQ(judged(How::Exited, 0, 9, true), Reason::Ok);
  EXPECT_EQ(judged(How::Exited, 65, 9, true), Reason::BadInput);
  EXPECT_EQ(judged(How::Exited, 1, 0, false), Reason::FunctionFailed);
  EXPECT_EQ(judged(How::Exited, 1, 0, true), Reason::Denied);
  EXPECT_EQ(judged(How::Exited, 1, 1, true), Reason::LimitMemory);
  EXPECT_EQ(judged(How::Trapped, 0, 0, false), Reason::Trap);
  EXPECT_EQ(judged(How::Trapped, 0, 1, false), Reason::LimitMemory);
  EXPECT_EQ(judged(How::Stopped, 0, 1, true), Reason::LimitWall);
  EXPECT_EQ(judged(How::Failed, 0, 0, true), Reason::Internal);
}

}  // namespace
}  // namespace trilby::invoke
