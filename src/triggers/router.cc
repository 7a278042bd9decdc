#include "triggers/router.h"

#include <utility>

#include <fmt/format.h>

#include "triggers/cors.h"

namespace trilby::triggers {
namespace {

Outcome serve_text(const std::string& text) {
  Outcome outcome;
  outcome.reason = Reason::Ok;
  outcome.status = 200;
  outcome.fields.add("content-type", "text/plain; charset=utf-8");
  outcome.body = make_body(text);
  return outcome;
}

Bytes body_limit(const RouteTarget& target) {
  if (const auto* function = std::get_if<FunctionTarget>(&target)) {
    return function->request_body;
  }
  // What an invoked app reads is for its own routes to bound.
  return std::holds_alternative<InvokeTarget>(target) ? Bytes{UINT64_MAX} : kMaxUnreadBody;
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// A forwarded answer passes on status, body, content-type and reason; function and record are for our own log.
Outcome forwarded(Outcome answer) {
  Fields kept;
  if (const std::string* type = answer.fields.find("content-type")) {
    kept.add("content-type", *type);
  }
  answer.fields = std::move(kept);
  return answer;
}

}  // namespace

Router::Router(std::string app_id, std::shared_ptr<const RouteTable> table, LoopServices services)
    : app_id_(std::move(app_id)),
      table_(std::move(table)),
      services_(services),
      outputs_(app_id_, {services.invocation, services.blocks, services.metrics, services.answers}),
      ways_{app_id_, services.invocation, services.blocks} {}

Outcome Router::refuse_unmatched(const Call& call) const {
  std::string allowed = table_->allowed_methods(call.path, call.fields);
  if (allowed.empty()) {
    return refusal(Reason::NotFound);
  }
  Outcome outcome = refusal(Reason::MethodNotAllowed, fmt::format("methods: {}", allowed));
  outcome.fields.add("allow", std::move(allowed));
  for (const Route& route : table_->routes()) {
    if (!route.cors.empty() && matches_path(route, call.path)) {
      add_cors(route, allows_origin(route, call.fields), outcome.fields);
      break;
    }
  }
  return outcome;
}

void Router::run(const Route* route, Call call, OnOutcome done) {
  if (auto preflight = answer_preflight(*table_, call)) {
    return done(std::move(*preflight));
  }
  if (route == nullptr) {
    return done(refuse_unmatched(call));
  }
  if (!route->cors.empty()) {
    const bool allowed = allows_origin(*route, call.fields);
    done = [route, allowed, done = std::move(done)](Outcome outcome) {
      add_cors(*route, allowed, outcome.fields);
      done(std::move(outcome));
    };
  }
  if (const Bytes limit = body_limit(route->target); call.body->length().value_or(0) > limit.count) {
    Outcome refused = refusal(Reason::BodyTooLarge, fmt::format("at most {} are taken here", format(limit)));
    if (const auto* function = std::get_if<FunctionTarget>(&route->target)) {
      refused = refuse_call(function->label, std::move(call.id), std::move(refused));
    }
    return done(std::move(refused));
  }
  if (const auto* files = std::get_if<FilesTarget>(&route->target)) {
    done(files->site->serve(call, path_below(*route, call.path)));
  } else if (const auto* text = std::get_if<TextTarget>(&route->target)) {
    done(serve_text(text->text));
  } else if (const auto* function = std::get_if<FunctionTarget>(&route->target)) {
    call.script = script_length(*route, call.path);
    call_function(*function, std::move(call), std::move(done));
  } else if (const auto* invoke = std::get_if<InvokeTarget>(&route->target)) {
    run_invoke(*invoke, std::move(call), std::move(done));
  }
}

void Router::call_function(const FunctionTarget& target, Call call, OnOutcome done) {
  if (target.outputs != nullptr) {
    auto sending = outputs_.prepare(*target.outputs, call);
    if (!sending) {
      Error error = std::move(sending).error();
      return done(refuse_call(target.label, std::move(call.id), refusal(error.reason, std::move(error.message))));
    }
    done = [this, sending = std::move(*sending), done = std::move(done)](Outcome outcome) mutable {
      outputs_.send(sending, std::move(outcome), std::move(done));
    };
  }
  if (services_.tracer != nullptr) {
    done = trace_call(target.label, call, std::move(done));  // outputs have been given the trace above
  }
  services_.metrics.call_started(target.label);
  call.app = target.app;
  call.ways = &ways_;
  services_.invoker.start(target.function, std::move(call),
                          [this, label = target.label, done = std::move(done)](Outcome outcome) {
                            end_call(label, outcome);
                            done(std::move(outcome));
                          });
}

OnOutcome Router::trace_call(std::size_t label, Call& call, OnOutcome done) {
  const observe::SpanIds ids = services_.tracer->begin_child(call.trace, call.trace);
  if (!ids.is_recorded()) {
    return done;
  }
  return [this, ids, label, began = Clock::now(), done = std::move(done)](Outcome outcome) {
    observe::Tracer& tracer = *services_.tracer;
    const std::string_view function = tracer.labels().functions()[label];
    const Record& record = outcome.record;
    tracer.record(ids, observe::SpanKind::Internal, function, began, record.ended, [&](observe::SpanWriter& span) {
      span.attribute("trilby.app", std::string_view(app_id_));
      span.attribute("trilby.function", function);
      span.attribute("trilby.reason", name(outcome.reason));
      span.attribute("trilby.queue_seconds", seconds(record.queued));
      if (record.wall != Duration::zero()) {  // it came to a sandbox
        span.attribute("trilby.instantiate_seconds", seconds(record.instantiate));
        span.attribute("trilby.run_seconds", seconds(record.run));
        span.attribute("trilby.cpu_seconds", seconds(record.cpu));
        span.attribute("trilby.memory_peak_bytes", static_cast<std::int64_t>(record.memory_peak.count));
      }
      if (const std::uint64_t denials = record.denials.total(); denials > 0) {
        span.attribute("trilby.denials", static_cast<std::int64_t>(denials));
      }
      if (outcome.reason != Reason::Ok) {
        span.fail(outcome.reason, outcome.status);
      }
    });
    done(std::move(outcome));
  };
}

/// Counts and keeps a call that does not come to run.
Outcome Router::refuse_call(std::size_t label, std::string call_id, Outcome refused) {
  services_.metrics.call_started(label);
  refused.call_id = std::move(call_id);
  refused.record.ended = Clock::now();
  end_call(label, refused);
  return refused;
}

/// Counts and keeps a call, whether or not it came to run.
void Router::end_call(std::size_t label, Outcome& outcome) {
  services_.metrics.call_ended(label, outcome.reason, outcome.record);
  services_.calls.add({.ended = outcome.record.ended,
                       .function = label,
                       .id = std::move(outcome.call_id),
                       .reason = outcome.reason,
                       .status = outcome.status,
                       .record = outcome.record});
}

void Router::run_invoke(const InvokeTarget& target, Call call, OnOutcome done) {
  call.path = target.path;
  call.caller = app_id_;
  services_.invocation.invoke(target.app, std::move(call),
                              [done = std::move(done)](Outcome answer) { done(forwarded(std::move(answer))); });
}

}  // namespace trilby::triggers
