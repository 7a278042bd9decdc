#include "http/exchange.h"

#include <utility>

namespace trilby::http {
namespace {

class RequestBody final : public BodySource {
 public:
  RequestBody(std::shared_ptr<ServerConnection> connection, ServerConnection::RequestNumber request,
              std::optional<std::uint64_t> length)
      : connection_(std::move(connection)), request_(request), length_(length) {}
  ~RequestBody() override { connection_->drop_body(request_); }

  void read(OnChunk on_chunk) override { connection_->read_body(request_, std::move(on_chunk)); }
  std::optional<std::string> take_ready() override { return connection_->take_ready_body(request_); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }

 private:
  const std::shared_ptr<ServerConnection> connection_;
  const ServerConnection::RequestNumber request_;
  const std::optional<std::uint64_t> length_;
};

class ConnectionExchange final : public Exchange {
 public:
  ConnectionExchange(std::shared_ptr<ServerConnection> connection, ServerConnection::RequestNumber request,
                     RequestHead head)
      : connection_(std::move(connection)), request_(request), head_(std::move(head)) {}
  ~ConnectionExchange() override { connection_->drop_exchange(request_); }

  RequestHead& head() override { return head_; }
  std::unique_ptr<BodySource> take_body() override { return connection_->take_body(request_); }
  Fields take_trailers() override { return connection_->take_trailers(request_); }
  [[nodiscard]] bool sends_trailers() const override { return connection_->sends_trailers(); }
  void respond(Response response) override { connection_->respond(request_, std::move(response)); }
  void on_abandoned(std::function<void()> listener) override {
    connection_->on_abandoned(request_, std::move(listener));
  }
  [[nodiscard]] std::string_view peer() const override { return connection_->peer(); }

 private:
  const std::shared_ptr<ServerConnection> connection_;
  const ServerConnection::RequestNumber request_;
  RequestHead head_;
};

}  // namespace

std::shared_ptr<Exchange> make_exchange(std::shared_ptr<ServerConnection> connection,
                                        ServerConnection::RequestNumber request, RequestHead head) {
  return std::make_shared<ConnectionExchange>(std::move(connection), request, std::move(head));
}

std::unique_ptr<BodySource> make_request_body(std::shared_ptr<ServerConnection> connection,
                                              ServerConnection::RequestNumber request,
                                              std::optional<std::uint64_t> length) {
  return std::make_unique<RequestBody>(std::move(connection), request, length);
}

}  // namespace trilby::http
