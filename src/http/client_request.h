/// \file  One request of a client, from send() to the last byte of its response. Private to http/.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "http/client.h"
#include "http/response_head.h"
#include "net/loop.h"

namespace trilby::http {

class ClientConnection;

struct ClientRequest {
  ClientRequest(const net::Address& address, Clock::time_point until, Client::OnResponse told)
      : to(address), peer(address.text()), deadline(until), on_response(std::move(told)) {}

  // What is sent.
  const net::Address to;
  const std::string peer;  // `to` as text
  std::string method;
  std::string head;
  BodyFraming framing;
  std::unique_ptr<BodySource> body;  // until a connection has it
  bool is_idempotent = false;

  const Clock::time_point deadline;
  Client::OnResponse on_response;  // null: it has run, or never will
  bool retried = false;

  // Where it is: in line, on a connection, or over.
  std::optional<net::Timer> timer;       // until it is over
  std::optional<net::Deferred> refusal;  // it never began
  std::list<std::shared_ptr<ClientRequest>>::iterator in_line;
  bool is_waiting = false;
  ClientConnection* connection = nullptr;
  std::optional<Error> error;  // how its response ended, unless well

  /// Runs on_response, unless nobody wants it any more. That may destroy anything, so call it last.
  void answer(Result<Response> result) {
    if (const auto told = std::exchange(on_response, nullptr)) {
      told(std::move(result));
    }
  }
};

}  // namespace trilby::http
