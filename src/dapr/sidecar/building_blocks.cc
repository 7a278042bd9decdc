#include "dapr/sidecar/building_blocks.h"

#include <utility>

#include "base/json.h"
#include "dapr/sidecar/request.h"

namespace trilby::dapr::sidecar {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr int kOk = 200;
constexpr int kFirstNotOk = 300;

/// One request on its way. Whoever asked holds it; the callbacks that name it end with it.
class Asking : public std::enable_shared_from_this<Asking> {
 public:
  /// \param with_value  the answer is read; else `done` is told of no value
  Asking(net::Loop& loop, Clock::time_point deadline, bool with_value, BuildingBlocks::OnValue done)
      : refusal_(loop), deadline_(deadline), with_value_(with_value), done_(std::move(done)) {}
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

  void refuse(Error error) {
    refusal_.start([this, error = std::move(error)] { finish(fail(error)); });
  }
  void send(http::Client& client, http::Request request, Clock::time_point until) {
    sending_ = client.send(std::move(request), until, [this](Result<http::Response> response) {
      if (!response) {
        return finish(fail(explain(std::move(response).error(), deadline_)));
      }
      take(std::move(*response));
    });
  }

 private:
  void take(http::Response response) {
    const bool is_well = response.status >= kOk && response.status < kFirstNotOk;
    if (is_well && !with_value_) {
      // What it says beside that is nobody's here. When it has come already, the connection is kept.
      response.body.reset();
      return finish(std::string());
    }
    const auto self = shared_from_this();  // it may end before read_all() returns
    reading_ = read_all(std::move(response.body), kMostAnswerBytes,
                        [this, is_well, status = response.status](Result<std::string> body) {
                          if (!is_well) {
                            finish_refused(status, body);
                          } else if (!body) {
                            finish(fail(Reason::UpstreamFailed, "the sidecar {}", body.error().message));
                          } else {
                            finish(std::move(body));
                          }
                        });
  }

  void finish_refused(int status, const Result<std::string>& body) {
    const auto why = body ? own_error(status, *body) : std::nullopt;
    finish(fail(Reason::UpstreamFailed, "the sidecar refuses: {}", why ? *why : fmt::format("{}", status)));
  }

  void finish(Result<std::string> result) {
    const auto done = std::move(done_);
    done(std::move(result));  // destroys this
  }

  net::Deferred refusal_;
  const Clock::time_point deadline_;
  const bool with_value_;
  BuildingBlocks::OnValue done_;
  std::shared_ptr<void> sending_;
  std::shared_ptr<void> reading_;
};

/// "?metadata.a=b&metadata.c=d"
class Query {
 public:
  void add(std::string_view prefix, std::string_view name, std::string_view value) {
    text_ += text_.empty() ? '?' : '&';
    text_ += prefix;
    append_escaped(text_, name);
    text_ += '=';
    append_escaped(text_, value);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void write_metadata(JsonWriter& json, const Metadata& metadata) {
  if (metadata.empty()) {
    return;
  }
  json.key("metadata").open_object();
  for (const auto& [name, value] : metadata) {
    json.member(name, value);
  }
  json.close_object();
}

Payload json_payload(std::string document) {
  return {std::make_shared<const std::string>(std::move(document)), std::string(kJson)};
}

}  // namespace

std::shared_ptr<void> SidecarBlocks::send(std::string target, Payload payload, const Terms& terms, OnDone done) {
  auto asking =
      std::make_shared<Asking>(loop_, terms.deadline, false, [done = std::move(done)](Result<std::string> said) {
        done(said ? Result<void>() : Result<void>(fail(std::move(said).error())));
      });
  if (payload.bytes->size() > settings_->max_body.count) {
    asking->refuse({Reason::LimitOutput, fmt::format("{} bytes are more than the sidecar takes (sidecar.max_body = {})",
                                                     payload.bytes->size(), format(settings_->max_body))});
    return asking;
  }
  http::Request request = make_request(*settings_, "POST", std::move(target), terms.trace);
  request.fields.set("content-type", std::move(payload.content_type));
  request.body = make_shared_body(std::move(payload.bytes));
  asking->send(client_, std::move(request), give_up_at(*settings_, terms.deadline));
  return asking;
}

std::shared_ptr<void> SidecarBlocks::publish(const Publication& publication, Terms terms, OnDone done) {
  std::string target = "/v1.0/publish/";
  append_escaped(target, publication.pubsub);
  target += '/';
  append_escaped_path(target, publication.topic);
  Query query;
  if (publication.raw) {
    query.add("metadata.", "rawPayload", "true");
  }
  for (const auto& [name, value] : publication.attributes) {
    query.add("metadata.cloudevent.", name, value);
  }
  for (const auto& [name, value] : publication.metadata) {
    query.add("metadata.", name, value);
  }
  target += query.text();
  return send(std::move(target), publication.payload, terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::save_state(const StateEntry& entry, Terms terms, OnDone done) {
  std::string target = "/v1.0/state/";
  append_escaped(target, entry.store);
  if (entry.payload.bytes->size() > settings_->max_body.count) {
    return send(std::move(target), entry.payload, terms, std::move(done));  // refuses it before it is written as JSON
  }
  std::string document;
  JsonWriter json(document);
  json.open_array().open_object().member("key", entry.key);
  write_metadata(json, entry.metadata);
  json.key("value");
  append_as_json(document, entry.payload);
  json.close_object().close_array();
  return send(std::move(target), json_payload(std::move(document)), terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::get_state(const StateKey& key, Terms terms, OnValue done) {
  std::string target = "/v1.0/state/";
  append_escaped(target, key.store);
  target += '/';
  append_escaped(target, key.key);
  auto asking = std::make_shared<Asking>(loop_, terms.deadline, true, std::move(done));
  asking->send(client_, make_request(*settings_, "GET", std::move(target), terms.trace),
               give_up_at(*settings_, terms.deadline));
  return asking;
}

std::shared_ptr<void> SidecarBlocks::invoke_binding(const BindingRequest& request, Terms terms, OnDone done) {
  std::string target = "/v1.0/bindings/";
  append_escaped(target, request.binding);
  if (request.payload.bytes->size() > settings_->max_body.count) {
    return send(std::move(target), request.payload, terms, std::move(done));
  }
  std::string document;
  JsonWriter json(document);
  json.open_object().member("operation", request.operation);
  write_metadata(json, request.metadata);
  json.key("data");
  append_as_json(document, request.payload);
  json.close_object();
  return send(std::move(target), json_payload(std::move(document)), terms, std::move(done));
}

}  // namespace trilby::dapr::sidecar
