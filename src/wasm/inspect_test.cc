#include "wasm/inspect.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "wasm/test_guests.h"

namespace trilby::wasm {
namespace {

ModuleInfo info_of(std::string_view text) {
  return inspect(assemble(text)).value();
}
Abi abi_of(std::string_view text) {
  return info_of(text).abi;
}

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> made = {std::byte{0}, std::byte{'a'}, std::byte{'s'}, std::byte{'m'}};
  std::transform(values.begin(), values.end(), std::back_inserter(made),
                 [](int value) { return static_cast<std::byte>(value); });
  return made;
}

TEST(Inspect, ListsImportsAndExportsWithTheirTypes) {
  const ModuleInfo info = info_of(R"((module
      (import "a" "f" (func (param i32 i64 f32 f64 v128 funcref externref) (result i32 i64)))
      (import "a" "t" (table 2 3 funcref)) (import "a" "m" (memory 1 4)) (import "a" "g" (global (mut i32))) (import "a" "e" (tag))
      (func (export "run") (param i32 i32) (result i32) (local.get 0))
      (global (export "g") i32 (i32.const 0)) (export "again" (func 0))))");
  ASSERT_EQ(info.imports.size(), 5U);
  EXPECT_EQ(info.imports[0].type, "(i32, i64, f32, f64, v128, funcref, externref) -> (i32, i64)");
  EXPECT_EQ(info.imports[1].kind, ExternKind::Table);
  EXPECT_EQ(info.imports[2].kind, ExternKind::Memory);
  EXPECT_EQ(info.imports[3].kind, ExternKind::Global);
  EXPECT_EQ(info.imports[4].kind, ExternKind::Tag);
  ASSERT_EQ(info.exports.size(), 3U);
  EXPECT_EQ(info.find_export("run")->type, "(i32, i32) -> i32");
  EXPECT_EQ(info.find_export("again")->type, info.imports[0].type);
  EXPECT_EQ(info.find_export("g")->kind, ExternKind::Global);
  EXPECT_EQ(info.find_export("nothing"), nullptr);
}

TEST(Inspect, ReadsMemoriesAndTables) {
  const ModuleInfo info =
      info_of("(module (memory 2 5) (table 10 funcref) (table 1 2 externref) (func $f) (start $f))");
  ASSERT_EQ(info.memories.size(), 1U);
  EXPECT_EQ(info.memories[0].min, 131072U);
  EXPECT_EQ(info.memories[0].max, 327680U);
  ASSERT_EQ(info.tables.size(), 2U);
  EXPECT_EQ(info.tables[0].min, 10U);
  EXPECT_EQ(info.tables[0].max, std::nullopt);
  EXPECT_TRUE(info.start_function);
  EXPECT_FALSE(info.memory64 || info.shared_memory);
  EXPECT_TRUE(info_of("(module (memory i64 1))").memory64);
  EXPECT_TRUE(info_of("(module (memory 1 2 shared))").shared_memory);
}

TEST(Inspect, ReadsTypesOfGarbageCollectedLanguages) {
  const ModuleInfo info = info_of(R"((module
      (rec (type $a (sub (struct (field i8) (field (mut (ref null $b)))))) (type $b (array (mut i16))))
      (type $f (func (param (ref $a)) (result i32)))
      (func (export "run") (type $f) (i32.const 0))))");
  EXPECT_EQ(info.find_export("run")->type, "(ref) -> i32");
}

TEST(Inspect, RecognisesConventionsInOrder) {
  EXPECT_EQ(abi_of(R"((module (import "extism:host/env" "length" (func)) (func (export "_start"))))"), Abi::Extism);
  EXPECT_EQ(abi_of(R"((module (import "http_handler" "log" (func)) (func (export "_start"))))"), Abi::HttpWasm);
  EXPECT_EQ(abi_of(R"((module (func (export "proxy_abi_version_0_2_1")) (func (export "_start"))))"), Abi::ProxyWasm);
  EXPECT_EQ(abi_of(R"((module (import "env" "return_result" (func)) (func (export "_start"))))"), Abi::WasmedgeBindgen);
  EXPECT_EQ(abi_of(R"((module (func (export "allocate")) (func (export "deallocate"))
                       (func (export "say") (param i32 i32) (result i32) (i32.const 0))))"),
            Abi::WasmedgeBindgen);
  EXPECT_EQ(abi_of(R"((module (func (export "__wbindgen_malloc")) (func (export "_start"))))"), Abi::WasmBindgen);
  EXPECT_EQ(abi_of(R"((module (import "wasi_snapshot_preview1" "sock_open" (func)) (func (export "_start"))))"),
            Abi::SocketServer);
  EXPECT_EQ(abi_of(R"((module (func (export "allocate")) (func (export "_start"))))"), Abi::Command);
  EXPECT_EQ(abi_of("(module)"), Abi::Plain);
}

TEST(Inspect, ReadsTheNamesOfAComponent) {
  const ModuleInfo info = info_of(R"((component
      (import "wasi:cli/environment@0.2.0" (instance $env))
      (import "answer" (func))
      (instance $empty)
      (export "wasi:http/incoming-handler@0.2.0" (instance $empty))))");
  EXPECT_EQ(info.abi, Abi::Component);
  ASSERT_EQ(info.imports.size(), 2U);
  EXPECT_EQ(info.imports[0].name, "wasi:cli/environment@0.2.0");
  EXPECT_NE(info.find_export("wasi:http/incoming-handler@0.2.0"), nullptr);
}

TEST(Inspect, ReadsProducersAndForgivesBrokenOnes) {
  const ModuleInfo info =
      info_of(R"((module (@custom "producers" "\01\0cprocessed-by\01\05clang\0614.0.6") (@custom "other" "xx")))");
  ASSERT_EQ(info.producers.size(), 1U);
  EXPECT_EQ(info.producers[0], (std::pair<std::string, std::string>{"processed-by clang", "14.0.6"}));
  EXPECT_EQ(info.custom_sections, (std::vector<std::string>{"producers", "other"}));
  EXPECT_TRUE(info_of(R"((module (@custom "producers" "\ff\ff\ff\ff\0f")))").producers.empty());
}

TEST(Inspect, SaysWhatIsWrongWithOtherFiles) {
  EXPECT_NE(inspect({}).error().message.find("not WebAssembly"), std::string::npos);
  EXPECT_NE(inspect(bytes({2, 0, 0, 0})).error().message.find("not known"), std::string::npos);
  EXPECT_NE(inspect(bytes({1, 0, 0, 0, 2, 100})).error().message.find("byte 8"), std::string::npos);
  EXPECT_EQ(inspect(bytes({1, 0, 0, 0, 2, 100})).error().reason, Reason::Manifest);
}

TEST(Inspect, RefusesEveryTruncation) {
  const auto whole = guest_bytes("sleep");
  ASSERT_TRUE(inspect(whole));
  // A cut between two sections leaves a module, only a smaller one.
  std::size_t accepted = 0;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    accepted += inspect(std::span(whole).first(length)) ? 1 : 0;
  }
  EXPECT_LT(accepted, 10U);
}

TEST(Inspect, DoesNotBelieveCounts) {
  // Four billion imports in five bytes, and the same for types, functions, tables, memories and exports.
  for (const int section : {1, 2, 3, 4, 5, 7}) {
    EXPECT_FALSE(inspect(bytes({1, 0, 0, 0, section, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F}))) << section;
  }
}

TEST(Inspect, RefusesNumbersThatAreTooLong) {
  EXPECT_FALSE(inspect(bytes({1, 0, 0, 0, 5, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00})));
  EXPECT_FALSE(inspect(bytes({1, 0, 0, 0, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F})));
}

}  // namespace
}  // namespace trilby::wasm
