/// \file  Publishing, saving, sending and arranging through a sidecar's HTTP API.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "dapr/arrangements.h"
#include "dapr/building_blocks.h"
#include "dapr/sidecar/request.h"
#include "dapr/sidecar/settings.h"
#include "http/client.h"
#include "net/loop.h"
#include "observe/tracer.h"

namespace trilby::dapr::sidecar {

/// Each request gets a span of its own. Threading: loop-bound. Ownership: what it is made with outlives it, and it
/// outlives its requests.
class SidecarBlocks final : public BuildingBlocks, public Arrangements {
 public:
  using BuildingBlocks::OnAnswer;
  using BuildingBlocks::OnDone;

  /// \param tracer  null: no spans are recorded
  SidecarBlocks(net::Loop& loop, http::Client& client, std::shared_ptr<const Settings> settings,
                observe::Tracer* tracer = nullptr)
      : loop_(loop), client_(client), settings_(std::move(settings)), tracer_(tracer) {}

  [[nodiscard]] std::shared_ptr<void> publish(const Publication& publication, Terms terms, OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> save_state(const StateEntry& entry, Terms terms, OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> get_state(const StateKey& key, Terms terms, OnValue done) override;
  [[nodiscard]] std::shared_ptr<void> invoke_binding(const BindingRequest& request, Terms terms, OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> read_state(const StateKey& key, Terms terms, Room room, OnAnswer done) override;
  [[nodiscard]] std::shared_ptr<void> delete_state(const StateKey& key, Terms terms, OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> ask_binding(const BindingRequest& request, Terms terms, Room room,
                                                  OnAnswer done) override;
  [[nodiscard]] std::shared_ptr<void> read_secret(std::string_view store, std::string_view key, Terms terms, Room room,
                                                  OnAnswer done) override;
  [[nodiscard]] std::shared_ptr<void> read_actor_state(const ActorAddress& actor, std::string_view key, Terms terms,
                                                       Room room, OnAnswer done) override;
  [[nodiscard]] std::shared_ptr<void> change_actor_state(const ActorAddress& actor, SharedBytes operations, Terms terms,
                                                         OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> invoke_actor(const ActorInvocation& call, Terms terms, Room room,
                                                   OnAnswer done) override;
  [[nodiscard]] std::shared_ptr<void> set_recurrence(const ActorRecurrence& recurrence, SharedBytes what, Terms terms,
                                                     OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> change_states(std::string_view store, SharedBytes operations, Terms terms,
                                                    OnChange done) override;
  [[nodiscard]] std::shared_ptr<void> read_states(std::string_view store, SharedBytes keys, Terms terms, Room room,
                                                  OnAnswer done) override;
  [[nodiscard]] std::shared_ptr<void> read_configuration(std::string_view store, std::string_view key, Terms terms,
                                                         Room room, OnAnswer done) override;
  [[nodiscard]] std::shared_ptr<void> lock(const LockRequest& request, std::chrono::seconds time, Terms terms,
                                           OnChange done) override;
  [[nodiscard]] std::shared_ptr<void> unlock(const LockRequest& request, Terms terms, OnChange done) override;
  [[nodiscard]] std::shared_ptr<void> set_job(std::string_view name, SharedBytes what, Terms terms,
                                              OnChange done) override;

  [[nodiscard]] std::shared_ptr<void> read_metadata(Terms terms, Room room, OnAnswer done) override;
  [[nodiscard]] std::shared_ptr<void> set_metadata(std::string_view name, SharedBytes value, Terms terms,
                                                   OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> subscribe_configuration(std::string_view store, std::span<const std::string> keys,
                                                              const Metadata& metadata, Terms terms, Room room,
                                                              OnAnswer done) override;
  [[nodiscard]] std::shared_ptr<void> unsubscribe_configuration(std::string_view store, std::string_view id,
                                                                Terms terms, OnDone done) override;
  [[nodiscard]] std::shared_ptr<void> read_job(std::string_view name, Terms terms, Room room, OnAnswer done) override;

 private:
  /// What is asked, as its span says it: "publish" of "broker" / "priced". Keys stay unsaid.
  struct About {
    std::string_view operation;
    std::string_view component;
    std::string_view part;  ///< may be empty
  };
  /// What is asked, and what becomes of the answer.
  struct Question {
    About about;
    std::string method;
    std::string target;
    std::optional<Payload> payload;
    std::optional<Room> room;  ///< nothing: what the answer says is nobody's
    Fields fields{};           ///< beside those that all have
    /// Whether a refusal is for what others did; null: none is.
    bool (*is_conflict)(int status, std::string_view body) = nullptr;
  };
  [[nodiscard]] std::shared_ptr<void> send(Question question, const Terms& terms, OnSaid done);
  [[nodiscard]] std::shared_ptr<void> ask(Question question, const Terms& terms, OnAnswer done);
  /// \param read  what an answer means that has a body; null: whatever went well is made
  [[nodiscard]] std::shared_ptr<void> change(Question question, const Terms& terms,
                                             std::optional<Change> (*read)(std::string_view body), OnChange done);
  [[nodiscard]] std::shared_ptr<void> post(const About& about, std::string target, Payload payload, const Terms& terms,
                                           OnDone done);

  net::Loop& loop_;
  http::Client& client_;
  const std::shared_ptr<const Settings> settings_;
  observe::Tracer* const tracer_;
};

}  // namespace trilby::dapr::sidecar
