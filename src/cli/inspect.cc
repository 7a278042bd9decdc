#include "wasm/inspect.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report.h"
#include "invoke/function.h"

namespace trilby::cli {
namespace {

constexpr std::size_t kMaxNameBytes = 120;  // names come from the module, so from anyone

std::string printable(std::string_view name) {
  return printable_line(name, kMaxNameBytes);
}

std::string_view standing(const invoke::ImportAdvice& advice) {
  if (!advice.provided) {
    return "missing";
  }
  return advice.grant.empty() ? "provided" : "needs a grant";
}

bool is_callable(const wasm::ModuleInfo& info) {
  return info.abi == wasm::Abi::Command &&
         std::all_of(info.imports.begin(), info.imports.end(),
                     [](const wasm::Import& import) { return invoke::advise(import).provided; });
}

using Rows = std::vector<std::vector<std::string>>;

std::string type_of(std::string_view type, wasm::ExternKind kind) {
  return std::string(type.empty() ? wasm::name(kind) : type);
}

std::string imports_text(const wasm::ModuleInfo& info) {
  std::map<std::string_view, Rows> modules;
  for (const wasm::Import& import : info.imports) {
    const invoke::ImportAdvice advice = invoke::advise(import);
    std::string says(standing(advice));
    says += advice.grant.empty() ? "" : fmt::format(": {}", advice.grant);
    says += advice.hint.empty() ? "" : fmt::format(" ({})", advice.hint);
    modules[import.module].push_back(
        {"  " + printable(import.name), type_of(import.type, import.kind), std::move(says)});
  }
  std::string out = info.imports.empty() ? "\nimports nothing\n" : "";
  for (const auto& [module, rows] : modules) {
    out += fmt::format("\nimports from {}\n{}", printable(module), table(rows));
  }
  return out;
}

std::string extent(const wasm::Extent& extent, bool bytes) {
  const auto one = [bytes](std::uint64_t count) { return bytes ? format(Bytes{count}) : fmt::format("{}", count); };
  return one(extent.min) + (!extent.max                 ? " and up"
                            : *extent.max == extent.min ? ""
                                                        : fmt::format(" to {}", one(*extent.max)));
}

std::string as_text(const std::string& file, const wasm::ModuleInfo& info) {
  Rows rows = {{"file", file},
               {"abi", std::string(wasm::name(info.abi))},
               {"callable", is_callable(info)                ? "yes"
                            : info.abi == wasm::Abi::Command ? "no: an import is missing"
                                                             : "no: not supported yet"}};
  for (const wasm::Extent& memory : info.memories) {
    rows.push_back(
        {"memory", extent(memory, true) + (info.shared_memory ? ", shared" : "") + (info.memory64 ? ", 64-bit" : "")});
  }
  for (const wasm::Extent& elements : info.tables) {
    rows.push_back({"table", extent(elements, false) + " elements"});
  }
  for (const auto& [field, value] : info.producers) {
    rows.push_back({printable(field), printable(value)});
  }
  Rows exports;
  for (const wasm::Export& item : info.exports) {
    exports.push_back({"  " + printable(item.name), type_of(item.type, item.kind)});
  }
  return table(rows) + imports_text(info) + (exports.empty() ? "\nexports nothing\n" : "\nexports\n" + table(exports));
}

std::string as_json(const std::string& file, const wasm::ModuleInfo& info) {
  std::string out;
  JsonWriter json(out);
  json.open_object().member("file", file).member("abi", wasm::name(info.abi)).member("callable", is_callable(info));
  json.key("memories").open_array();
  for (const wasm::Extent& memory : info.memories) {
    json.open_object().member("min_bytes", memory.min);
    memory.max ? json.member("max_bytes", *memory.max) : json.key("max_bytes").null();
    json.close_object();
  }
  json.close_array().key("imports").open_array();
  for (const wasm::Import& import : info.imports) {
    const invoke::ImportAdvice advice = invoke::advise(import);
    json.open_object()
        .member("module", import.module)
        .member("name", import.name)
        .member("kind", wasm::name(import.kind));
    json.member("type", import.type)
        .member("provided", advice.provided)
        .member("grant", advice.grant)
        .member("hint", advice.hint);
    json.close_object();
  }
  json.close_array().key("exports").open_array();
  for (const wasm::Export& item : info.exports) {
    json.open_object()
        .member("name", item.name)
        .member("kind", wasm::name(item.kind))
        .member("type", item.type)
        .close_object();
  }
  json.close_array().key("producers").open_array();
  for (const auto& [field, value] : info.producers) {
    json.open_object().member("field", field).member("value", value).close_object();
  }
  json.close_array().close_object();
  return out + '\n';
}

Result<std::string> describe(const std::string& file, bool json) {
  TRILBY_ASSIGN(const std::vector<std::byte> bytes, wasm::read_module(file));
  const Result<wasm::ModuleInfo> info = wasm::inspect(bytes);
  if (!info) {
    return fail(Reason::Manifest, "{}: {}", file, info.error().message);
  }
  return json ? as_json(file, *info) : as_text(file, *info);
}

class Inspect final : public Command {
 public:
  [[nodiscard]] About about() const override {
    return {.name = "inspect",
            .summary = "Say what a WebAssembly file is, imports and exports, without running it",
            .details =
                "Shows the calling convention, each import with whether Trilby provides it and which grant it would "
                "need, the "
                "exports, and the memory it begins with.",
            .examples =
                "trilby inspect functions/grayscale.wasm\n"
                "trilby inspect functions/classify.wasm -o json"};
  }

  [[nodiscard]] Syntax syntax() override {
    Syntax out;
    out.arguments = {{"FILE", "the WebAssembly file", &file_, true, {}}};
    out.options = {output_.option()};
    return out;
  }

  [[nodiscard]] int run() override {
    const auto text = describe(file_, output_.json());
    return text ? print(*text) : report(text.error());
  }

 private:
  OutputOption output_;
  std::string file_;
};

}  // namespace

std::unique_ptr<Command> make_inspect() {
  return std::make_unique<Inspect>();
}

}  // namespace trilby::cli
