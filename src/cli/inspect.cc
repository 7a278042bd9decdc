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

void append_imports(std::string& out, const wasm::ModuleInfo& info) {
  std::map<std::string_view, std::vector<const wasm::Import*>> modules;
  for (const wasm::Import& import : info.imports) {
    modules[import.module].push_back(&import);
  }
  fmt::format_to(std::back_inserter(out), "imports   {}\n", info.imports.empty() ? "nothing" : "");
  for (const auto& [module, imports] : modules) {
    fmt::format_to(std::back_inserter(out), "  {}\n", printable(module));
    for (const wasm::Import* import : imports) {
      const invoke::ImportAdvice advice = invoke::advise(*import);
      fmt::format_to(std::back_inserter(out), "    {:<28} {:<30} {}{}{}\n", printable(import->name),
                     import->type.empty() ? wasm::name(import->kind) : std::string_view(import->type), standing(advice),
                     advice.grant.empty() ? "" : fmt::format(": {}", advice.grant),
                     advice.hint.empty() ? "" : fmt::format(" ({})", advice.hint));
    }
  }
}

std::string extent(const wasm::Extent& extent, bool bytes) {
  const auto one = [bytes](std::uint64_t count) {
    return bytes ? format(Bytes{count}) : fmt::format("{} elements", count);
  };
  return extent.max ? fmt::format("{} to {}", one(extent.min), one(*extent.max))
                    : fmt::format("{} and up", one(extent.min));
}

std::string as_text(const std::string& file, const wasm::ModuleInfo& info) {
  std::string out;
  const auto line = [&out](std::string_view name, std::string_view content) {
    fmt::format_to(std::back_inserter(out), "{:<10}{}\n", name, content);
  };
  line("file", file);
  line("abi", wasm::name(info.abi));
  line("callable", is_callable(info)                ? "yes"
                   : info.abi == wasm::Abi::Command ? "no: an import is missing"
                                                    : "no: not supported yet");
  for (const wasm::Extent& memory : info.memories) {
    line("memory", extent(memory, true) + (info.shared_memory ? ", shared" : "") + (info.memory64 ? ", 64-bit" : ""));
  }
  for (const wasm::Extent& table : info.tables) {
    line("table", extent(table, false));
  }
  append_imports(out, info);
  fmt::format_to(std::back_inserter(out), "exports   {}\n", info.exports.empty() ? "nothing" : "");
  for (const wasm::Export& item : info.exports) {
    fmt::format_to(std::back_inserter(out), "    {:<28} {}\n", printable(item.name),
                   item.type.empty() ? wasm::name(item.kind) : std::string_view(item.type));
  }
  for (const auto& [field, value] : info.producers) {
    line(printable(field), printable(value));
  }
  return out;
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
