#include "dapr/sidecar/building_blocks.h"

#include <utility>

#include "base/json.h"
#include "dapr/sidecar/request.h"

namespace trilby::dapr::sidecar {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr int kOk = 200;
constexpr int kNoContent = 204;
constexpr int kFirstNotOk = 300;
constexpr std::string_view kActorFailed = "x-daprerrorresponseheader";

/// One request on its way. Whoever asked holds it; the callbacks that name it end with it.
class Asking : public std::enable_shared_from_this<Asking> {
 public:
  using IsConflict = bool (*)(int status, std::string_view body);

  Asking(net::Loop& loop, Clock::time_point deadline, std::optional<Room> room, IsConflict is_conflict, OnSaid done)
      : refusal_(loop), deadline_(deadline), room_(room), is_conflict_(is_conflict), done_(std::move(done)) {}
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

  /// \param about  "broker/priced"
  void trace(observe::Tracer& tracer, std::string_view operation, std::string_view about, const TraceContext& parent,
             TraceContext& own) {
    span_.emplace(tracer, operation, about, parent, own);
  }
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
    status_ = response.status;
    const bool went_well =
        response.status >= kOk && response.status < kFirstNotOk && response.fields.find(kActorFailed) == nullptr;
    if (went_well && (!room_ || response.status == kNoContent)) {
      // What it says beside that is nobody's here. When it has come already, the connection is kept.
      response.body.reset();
      return finish(Said{});
    }
    const auto self = shared_from_this();  // it may end before read_all() returns
    if (went_well) {
      reading_ = read_all(std::move(response.body), room_->most, BodyBudget::Share(room_->budget),
                          [this](Result<WholeBody> body) { finish_read(std::move(body)); });
      return;
    }
    reading_ =
        read_all(std::move(response.body), kMostAnswerBytes,
                 [this, status = response.status](const Result<std::string>& body) { finish_refused(status, body); });
  }

  void finish_read(Result<WholeBody> body) {
    if (!body) {
      return finish(fail(explain(std::move(body).error(), deadline_)));
    }
    finish(Said{std::move(*body)});
  }

  void finish_refused(int status, const Result<std::string>& body) {
    if (is_conflict_ != nullptr && body && is_conflict_(status, *body)) {
      return finish(Said{.body = std::nullopt, .is_conflict = true});
    }
    const auto why = body ? own_error(status, *body) : std::nullopt;
    finish(fail(Reason::UpstreamFailed, "{}{}", kRefusal, why ? *why : fmt::format("{}", status)));
  }

  void finish(Result<Said> result) {
    if (span_) {
      span_->end(result ? Reason::Ok : result.error().reason, status_);
    }
    const auto done = std::move(done_);
    done(std::move(result));  // destroys this
  }

  net::Deferred refusal_;
  const Clock::time_point deadline_;
  const std::optional<Room> room_;
  const IsConflict is_conflict_;
  OnSaid done_;
  std::optional<observe::ClientSpan> span_;
  int status_ = 0;  // until there is an answer
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

BuildingBlocks::OnAnswer without_answer(BuildingBlocks::OnDone done) {
  return [done = std::move(done)](Result<std::optional<WholeBody>> result) {
    done(result ? Result<void>() : fail(std::move(result).error()));
  };
}

OnSaid as_said(BuildingBlocks::OnAnswer done) {
  return [done = std::move(done)](Result<Said> said) {
    if (!said) {
      return done(fail(std::move(said).error()));
    }
    done(std::move(said->body));
  };
}

std::string target_of(std::string_view block, std::string_view component) {
  std::string target(block);
  append_escaped(target, component);
  return target;
}

std::string target_of(std::string_view block, std::string_view component, std::string_view key) {
  std::string target = target_of(block, component) + '/';
  append_escaped(target, key);
  return target;
}

std::string document_of(const BindingRequest& request) {
  std::string document;
  JsonWriter json(document);
  json.open_object().member("operation", request.operation);
  write_metadata(json, request.metadata);
  json.key("data");
  append_as_json(document, request.payload);
  json.close_object();
  return document;
}

std::string target_of(const BindingRequest& request) {
  return target_of("/v1.0/bindings/", request.binding);
}

/// \param part  "method", "state", ...
std::string target_of(const ActorAddress& actor, std::string_view part) {
  std::string target = target_of("/v1.0/actors/", actor.type, actor.id);
  target += '/';
  target += part;
  return target;
}

std::string target_of(const ActorAddress& actor, std::string_view part, std::string_view name) {
  std::string target = target_of(actor, part) + '/';
  append_escaped(target, name);
  return target;
}

Payload json_payload(std::string document) {
  return {std::make_shared<const std::string>(std::move(document)), std::string(kJson)};
}

}  // namespace

std::shared_ptr<void> SidecarBlocks::send(Question question, const Terms& terms, OnSaid done) {
  auto asking = std::make_shared<Asking>(loop_, terms.deadline, question.room, question.is_conflict, std::move(done));
  const TraceContext* trace = &terms.trace;
  TraceContext own;
  if (tracer_ != nullptr) {
    std::string about(question.about.component);
    if (!question.about.part.empty()) {
      about += '/';
      about += question.about.part;
    }
    asking->trace(*tracer_, question.about.operation, about, terms.trace, own);
    trace = &own;
  }
  http::Request request = make_request(*settings_, std::move(question.method), std::move(question.target), *trace);
  if (question.payload) {
    Payload& payload = *question.payload;
    if (payload.bytes->size() > settings_->max_body.count) {
      asking->refuse(
          {Reason::LimitOutput, fmt::format("{} bytes are more than the sidecar takes (sidecar.max_body = {})",
                                            payload.bytes->size(), format(settings_->max_body))});
      return asking;
    }
    request.fields.set("content-type", std::move(payload.content_type));
    request.body = make_shared_body(std::move(payload.bytes));
  }
  for (const Field& field : question.fields) {
    request.fields.set(field.name, field.value);
  }
  asking->send(client_, std::move(request), give_up_at(*settings_, terms.deadline));
  return asking;
}

std::shared_ptr<void> SidecarBlocks::ask(Question question, const Terms& terms, OnAnswer done) {
  return send(std::move(question), terms, as_said(std::move(done)));
}

std::shared_ptr<void> SidecarBlocks::change(Question question, const Terms& terms,
                                            std::optional<Change> (*read)(std::string_view body), OnChange done) {
  return send(std::move(question), terms, [read, done = std::move(done)](Result<Said> said) {
    if (!said) {
      return done(fail(std::move(said).error()));
    }
    if (said->is_conflict || read == nullptr) {
      return done(said->is_conflict ? Change::Conflict : Change::Made);
    }
    const auto meant = said->body ? read(said->body->bytes) : std::nullopt;
    done(meant ? Result<Change>(*meant) : fail(Reason::UpstreamFailed, "the sidecar answers with what is no answer"));
  });
}

std::shared_ptr<void> SidecarBlocks::post(const About& about, std::string target, Payload payload, const Terms& terms,
                                          OnDone done) {
  return ask({about, "POST", std::move(target), std::move(payload), std::nullopt}, terms,
             without_answer(std::move(done)));
}

std::shared_ptr<void> SidecarBlocks::publish(const Publication& publication, Terms terms, OnDone done) {
  std::string target = target_of("/v1.0/publish/", publication.pubsub) + '/';
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
  return post({"publish", publication.pubsub, publication.topic}, std::move(target), publication.payload, terms,
              std::move(done));
}

std::shared_ptr<void> SidecarBlocks::save_state(const StateEntry& entry, Terms terms, OnDone done) {
  const About about{"save state", entry.store, {}};
  std::string target = target_of("/v1.0/state/", entry.store);
  if (entry.payload.bytes->size() > settings_->max_body.count) {
    return post(about, std::move(target), entry.payload, terms,
                std::move(done));  // refuses it before it is written as JSON
  }
  std::string document;
  JsonWriter json(document);
  json.open_array().open_object().member("key", entry.key);
  write_metadata(json, entry.metadata);
  json.key("value");
  append_as_json(document, entry.payload);
  json.close_object().close_array();
  return post(about, std::move(target), json_payload(std::move(document)), terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::get_state(const StateKey& key, Terms terms, OnValue done) {
  return read_state(key, std::move(terms), {kMostAnswerBytes},
                    [done = std::move(done)](Result<std::optional<WholeBody>> value) {
                      if (!value) {
                        return done(fail(std::move(value).error()));
                      }
                      done(*value ? std::move((*value)->bytes) : std::string());
                    });
}

std::shared_ptr<void> SidecarBlocks::invoke_binding(const BindingRequest& request, Terms terms, OnDone done) {
  const About about{"binding", request.binding, request.operation};
  if (request.payload.bytes->size() > settings_->max_body.count) {
    return post(about, target_of(request), request.payload, terms, std::move(done));
  }
  return post(about, target_of(request), json_payload(document_of(request)), terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::read_state(const StateKey& key, Terms terms, Room room, OnAnswer done) {
  return ask({{"get state", key.store, {}}, "GET", target_of("/v1.0/state/", key.store, key.key), std::nullopt, room},
             terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::delete_state(const StateKey& key, Terms terms, OnDone done) {
  return ask({{"delete state", key.store, {}},
              "DELETE",
              target_of("/v1.0/state/", key.store, key.key),
              std::nullopt,
              std::nullopt},
             terms, without_answer(std::move(done)));
}

std::shared_ptr<void> SidecarBlocks::ask_binding(const BindingRequest& request, Terms terms, Room room, OnAnswer done) {
  return ask({{"binding", request.binding, request.operation},
              "POST",
              target_of(request),
              json_payload(document_of(request)),
              room},
             terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::read_secret(std::string_view store, std::string_view key, Terms terms, Room room,
                                                 OnAnswer done) {
  return ask({{"read secret", store, {}}, "GET", target_of("/v1.0/secrets/", store, key), std::nullopt, room}, terms,
             std::move(done));
}

std::shared_ptr<void> SidecarBlocks::read_actor_state(const ActorAddress& actor, std::string_view key, Terms terms,
                                                      Room room, OnAnswer done) {
  return ask({{"get actor state", actor.type, {}}, "GET", target_of(actor, "state", key), std::nullopt, room}, terms,
             std::move(done));
}

std::shared_ptr<void> SidecarBlocks::change_actor_state(const ActorAddress& actor, SharedBytes operations, Terms terms,
                                                        OnDone done) {
  return post({"change actor state", actor.type, {}}, target_of(actor, "state"),
              {std::move(operations), std::string(kJson)}, terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::invoke_actor(const ActorInvocation& call, Terms terms, Room room, OnAnswer done) {
  if (call.hops >= kMaxHops) {
    auto asking = std::make_shared<Asking>(loop_, terms.deadline, room, nullptr, as_said(std::move(done)));
    asking->refuse({Reason::UpstreamFailed, fmt::format("the call came through {} apps already", kMaxHops)});
    return asking;
  }
  Fields fields;
  fields.add("trilby-hops", std::to_string(call.hops + 1));
  if (!call.reentrancy.empty()) {
    fields.add("dapr-reentrancy-id", call.reentrancy);
  }
  return ask({{"invoke actor", call.actor.type, call.method},
              "POST",
              target_of(call.actor, "method", call.method),
              call.payload,
              room,
              std::move(fields)},
             terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::set_recurrence(const ActorRecurrence& recurrence, SharedBytes what, Terms terms,
                                                    OnDone done) {
  const bool is_reminder = recurrence.kind == ActorRecurrence::Kind::Reminder;
  std::string target = target_of(recurrence.actor, is_reminder ? "reminders" : "timers", recurrence.name);
  if (what != nullptr) {
    return post({is_reminder ? "set reminder" : "set timer", recurrence.actor.type, {}}, std::move(target),
                {std::move(what), std::string(kJson)}, terms, std::move(done));
  }
  return ask({{is_reminder ? "delete reminder" : "delete timer", recurrence.actor.type, {}},
              "DELETE",
              std::move(target),
              std::nullopt,
              std::nullopt},
             terms, without_answer(std::move(done)));
}

std::shared_ptr<void> SidecarBlocks::read_metadata(Terms terms, Room room, OnAnswer done) {
  return ask({{"get metadata", {}, {}}, "GET", "/v1.0/metadata", std::nullopt, room}, terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::set_metadata(std::string_view name, SharedBytes value, Terms terms, OnDone done) {
  return ask({{"set metadata", name, {}},
              "PUT",
              target_of("/v1.0/metadata/", name),
              Payload{std::move(value), "text/plain"},
              std::nullopt},
             terms, without_answer(std::move(done)));
}

std::shared_ptr<void> SidecarBlocks::subscribe_configuration(std::string_view store, std::span<const std::string> keys,
                                                             const Metadata& metadata, Terms terms, Room room,
                                                             OnAnswer done) {
  Query query;
  for (const std::string& key : keys) {
    query.add({}, "key", key);
  }
  for (const auto& [name, value] : metadata) {
    query.add("metadata.", name, value);
  }
  return ask({{"subscribe configuration", store, {}},
              "GET",
              target_of("/v1.0/configuration/", store, "subscribe") + query.text(),
              std::nullopt,
              room},
             terms, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::unsubscribe_configuration(std::string_view store, std::string_view id, Terms terms,
                                                               OnDone done) {
  return ask({{"unsubscribe configuration", store, {}},
              "GET",
              target_of("/v1.0/configuration/", store, id) + "/unsubscribe",
              std::nullopt,
              std::nullopt,
              {},
              has_no_such_subscription},
             terms, without_answer(std::move(done)));
}

std::shared_ptr<void> SidecarBlocks::read_job(std::string_view name, Terms terms, Room room, OnAnswer done) {
  return ask({{"get job", name, {}}, "GET", target_of("/v1.0/jobs/", name), std::nullopt, room}, terms,
             std::move(done));
}

std::shared_ptr<void> SidecarBlocks::change_states(std::string_view store, SharedBytes operations, Terms terms,
                                                   OnChange done) {
  return change({{"change states", store, {}},
                 "POST",
                 target_of("/v1.0/state/", store) + "/transaction",
                 json_payload(R"({"operations":)" + *operations + "}"),
                 std::nullopt,
                 {},
                 is_etag_conflict},
                terms, nullptr, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::read_states(std::string_view store, SharedBytes keys, Terms terms, Room room,
                                                 OnAnswer done) {
  return ask({{"get states", store, {}},
              "POST",
              target_of("/v1.0/state/", store) + "/bulk",
              json_payload(R"({"keys":)" + *keys + R"(,"parallelism":10})"),
              room},
             terms, [keys, done = std::move(done)](Result<std::optional<WholeBody>> answer) {
               if (!answer || !*answer) {
                 return done(answer ? fail(Reason::UpstreamFailed, "the sidecar answers with what is no list of states")
                                    : std::move(answer));
               }
               auto states = states_of((*answer)->bytes, *keys);
               if (!states) {
                 return done(fail(std::move(states).error()));
               }
               (*answer)->bytes = std::move(*states);
               done(std::move(answer));
             });
}

std::shared_ptr<void> SidecarBlocks::read_configuration(std::string_view store, std::string_view key, Terms terms,
                                                        Room room, OnAnswer done) {
  Query query;
  query.add("", "key", key);  // without one it would be all of them
  return ask({{"read configuration", store, {}},
              "GET",
              target_of("/v1.0/configuration/", store) + query.text(),
              std::nullopt,
              room},
             terms, [key = std::string(key), done = std::move(done)](Result<std::optional<WholeBody>> answer) {
               if (!answer || !*answer) {
                 return done(std::move(answer));
               }
               auto value = configuration_value((*answer)->bytes, key);
               if (!value) {
                 return done(fail(std::move(value).error()));
               }
               if (!*value) {
                 return done(std::nullopt);
               }
               (*answer)->bytes = std::move(**value);
               done(std::move(answer));
             });
}

std::shared_ptr<void> SidecarBlocks::lock(const LockRequest& request, std::chrono::seconds time, Terms terms,
                                          OnChange done) {
  std::string document;
  JsonWriter(document)
      .open_object()
      .member("resourceId", request.resource)
      .member("lockOwner", request.owner)
      .member("expiryInSeconds", time.count())
      .close_object();
  return change({{"lock", request.store, {}},
                 "POST",
                 target_of("/v1.0-alpha1/lock/", request.store),
                 json_payload(std::move(document)),
                 Room{kMostAnswerBytes}},
                terms, read_lock, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::unlock(const LockRequest& request, Terms terms, OnChange done) {
  std::string document;
  JsonWriter(document)
      .open_object()
      .member("resourceId", request.resource)
      .member("lockOwner", request.owner)
      .close_object();
  return change({{"unlock", request.store, {}},
                 "POST",
                 target_of("/v1.0-alpha1/unlock/", request.store),
                 json_payload(std::move(document)),
                 Room{kMostAnswerBytes}},
                terms, read_unlock, std::move(done));
}

std::shared_ptr<void> SidecarBlocks::set_job(std::string_view name, SharedBytes what, Terms terms, OnChange done) {
  const bool is_deletion = what == nullptr;
  Question question{{is_deletion ? "delete job" : "schedule job", name, {}},
                    is_deletion ? "DELETE" : "POST",
                    target_of("/v1.0/jobs/", name),
                    std::nullopt,
                    std::nullopt};
  if (!is_deletion) {
    question.payload = Payload{std::move(what), std::string(kJson)};
    question.is_conflict = is_job_conflict;
  }
  return change(std::move(question), terms, nullptr, std::move(done));
}

}  // namespace trilby::dapr::sidecar
