/// \file  What becomes of what a function returned, beside the answer: it is published, saved, sent to a binding, or
/// passed on to another app, as the manifest says and without the function's doing.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/text_template.h"
#include "call/body_budget.h"
#include "call/call.h"
#include "dapr/building_blocks.h"
#include "dapr/service_invocation.h"
#include "observe/metrics.h"

namespace trilby::triggers {

/// Texts that are made for each event.
using MetadataTemplates = std::vector<std::pair<std::string, TextTemplate>>;

struct PublishOutput {
  std::string pubsub;
  std::string topic;
  bool raw = false;
  MetadataTemplates attributes;  ///< of the CloudEvent
  MetadataTemplates metadata;
};
struct StateOutput {
  std::string store;
  TextTemplate key;
  MetadataTemplates metadata;
};
struct BindingOutput {
  std::string binding;
  std::string operation;
  MetadataTemplates metadata;
};
struct InvokeOutput {
  std::string app;
  std::string path;  ///< begins with '/'
};

struct Output {
  std::variant<PublishOutput, StateOutput, BindingOutput, InvokeOutput> what;
  std::string name;       ///< for the log: "publish broker/priced"
  std::size_t label = 0;  ///< in observe::Labels::outputs()
};
/// In the order in which they are sent. Immutable; shared by all loops.
using OutputList = std::vector<Output>;

/// What sending needs of its loop. Ownership: all of it outlives the sender.
struct OutputServices {
  dapr::ServiceInvocation& invocation;
  dapr::BuildingBlocks* blocks = nullptr;  ///< null: the app has no sidecar
  observe::LoopMetrics& metrics;
  BodyBudget* answers = nullptr;  ///< for what a function returned, while it is read whole; null: none
};

/// Sends the outputs of one app's calls. Threading: loop-bound. Ownership: outlives its calls.
class OutputSender {
 public:
  OutputSender(std::string app_id, OutputServices services);
  ~OutputSender();
  OutputSender(const OutputSender&) = delete;
  OutputSender& operator=(const OutputSender&) = delete;

  /// The outputs of one call, made of its event, before it runs.
  class Sending;
  /// \return Reason::BadRequest when a text needs what the event does not say, or may not hold what it says: then no
  ///         function need run for it
  [[nodiscard]] Result<std::shared_ptr<Sending>> prepare(const OutputList& outputs, const Call& call) const;

  /// Sends what the function returned, one output after the other, each once the one before is acknowledged. Then
  /// `done` gets `outcome`, or, at the first output that fails, a failure that stands in its place. Nothing is sent
  /// when the call did not end well, by its reason or its status, or returned nothing. `done` runs exactly once,
  /// possibly before this returns.
  void send(const std::shared_ptr<Sending>& sending, Outcome outcome, OnOutcome done);

  /// Ends all that is under way. All `done` have run when this returns, but of those that wait for another app of this
  /// process: they end as that call does.
  void cancel_all(Reason why);

 private:
  const std::string app_id_;
  OutputServices services_;
  std::list<std::shared_ptr<Sending>> live_;
};

}  // namespace trilby::triggers
