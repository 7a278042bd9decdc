#include "app/wiring_outputs.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "app/manifest_outputs.h"

namespace trilby::app {
namespace {

/// The manifest has been read, so it is a template.
TextTemplate parsed(const std::string& text) {
  return TextTemplate::parse(text).value_or(TextTemplate());
}

triggers::MetadataTemplates parsed(const std::map<std::string, std::string>& texts) {
  triggers::MetadataTemplates made;
  for (const auto& [name, text] : texts) {
    made.emplace_back(name, parsed(text));
  }
  return made;
}

struct Maker {
  using What = decltype(triggers::Output::what);

  What operator()(const PublishOutput& output) const {
    return triggers::PublishOutput{output.pubsub, output.topic, output.raw, parsed(output.attributes),
                                   parsed(output.metadata)};
  }
  What operator()(const StateOutput& output) const {
    return triggers::StateOutput{output.store, parsed(output.key), parsed(output.metadata)};
  }
  What operator()(const BindingOutput& output) const {
    return triggers::BindingOutput{output.binding, output.operation, parsed(output.metadata)};
  }
  What operator()(const InvokeTarget& output) const { return triggers::InvokeOutput{output.app, output.path}; }
};

std::size_t find_label(const observe::Labels& labels, std::string_view app_id, const Output& output) {
  const auto& known = labels.outputs();
  const std::string to = target_of(output);
  const auto at = std::find_if(known.begin(), known.end(), [&](const observe::Labels::Output& one) {
    return one.app == app_id && one.kind == kind_of(output) && one.to == to;
  });
  return static_cast<std::size_t>(at - known.begin());
}

}  // namespace

void add_output_labels(observe::Labels& labels, const App& app) {
  const auto add = [&](const auto& all) {
    for (const auto& one : all) {
      for (const Output& output : one.outputs) {
        labels.add_output(app.id, kind_of(output), target_of(output));
      }
    }
  };
  add(app.routes);
  add(app.topics);
  add(app.bindings);
  add(app.jobs);
  add(app.configurations);
  add(app.actors);
}

std::shared_ptr<const triggers::OutputList> make_outputs(const observe::Labels& labels, std::string_view app_id,
                                                         const std::vector<Output>& outputs) {
  if (outputs.empty()) {
    return nullptr;
  }
  auto made = std::make_shared<triggers::OutputList>();
  for (const Output& output : outputs) {
    made->push_back({std::visit(Maker{}, output.what), fmt::format("{} {}", kind_of(output), target_of(output)),
                     find_label(labels, app_id, output)});
  }
  return made;
}

}  // namespace trilby::app
