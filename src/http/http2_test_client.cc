#include "http/http2_test_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "http/base64url.h"

namespace trilby::http {
namespace {

nghttp2_nv field(std::string_view name, std::string_view value) {
  return {.name = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          .value = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct Http2TestClient::State {
  struct Stream {
    Answer answer;
    bool is_over = false;
    bool in_trailers = false;
    int latest_status = 0;
    std::string to_send;
    bool ends = true;
    Fields trailers;
  };

  explicit State(TestClient given) : client(std::move(given)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
          Stream& stream = of(user).streams[static_cast<std::uint32_t>(frame->hd.stream_id)];
          stream.in_trailers = stream.latest_status >= 200;
          return 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                      const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
          const std::string name_text(reinterpret_cast<const char*>(name), name_size);
          const std::string value_text(reinterpret_cast<const char*>(value), value_size);
          of(user).on_field(static_cast<std::uint32_t>(frame->hd.stream_id), name_text, value_text);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t size,
                      void* user) {
          of(user).streams[static_cast<std::uint32_t>(stream)].answer.body.append(reinterpret_cast<const char*>(data),
                                                                                  size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks,
                                                         [](nghttp2_session*, const nghttp2_frame* frame, void* user) {
                                                           of(user).on_frame(*frame);
                                                           return 0;
                                                         });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
          State& self = of(user);
          Stream& stream = self.streams[static_cast<std::uint32_t>(id)];
          stream.is_over = true;
          stream.answer.place = self.ended++;
          if (error != 0 || !stream.answer.whole) {
            stream.answer.reset = error;
          }
          return 0;
        });
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_client_new2(&session, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
  }
  ~State() { nghttp2_session_del(session); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  static State& of(void* user) { return *static_cast<State*>(user); }

  void on_field(std::uint32_t id, const std::string& name, const std::string& value) {
    Stream& stream = streams[id];
    if (name == ":status") {
      stream.latest_status = std::stoi(value);
      stream.answer.was_invited = stream.answer.was_invited || stream.latest_status == 100;
      stream.answer.status = stream.latest_status >= 200 ? stream.latest_status : 0;
    } else {
      (stream.in_trailers ? stream.answer.trailers : stream.answer.fields).add(name, value);
    }
  }
  void on_frame(const nghttp2_frame& frame) {
    const bool is_message = frame.hd.type == NGHTTP2_HEADERS || frame.hd.type == NGHTTP2_DATA;
    if (is_message && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      streams[static_cast<std::uint32_t>(frame.hd.stream_id)].answer.whole = true;
    } else if (frame.hd.type == NGHTTP2_GOAWAY) {
      goaway = frame.goaway.error_code;
      last_served = static_cast<std::uint32_t>(frame.goaway.last_stream_id);
    }
  }
  void flush() {
    const std::uint8_t* bytes = nullptr;
    std::string out;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(session, &bytes)) > 0;) {
      out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
    put(out);
  }
  /// Sends, unless the server takes nothing more.
  void put(std::string_view bytes) {
    for (int tries = 0; !bytes.empty() && tries < 200; ++tries) {
      bytes.remove_prefix(client.send_what_fits(bytes));
    }
  }
  nghttp2_data_provider provider() {
    nghttp2_data_provider made{};
    made.read_callback = [](nghttp2_session* from, std::int32_t id, std::uint8_t* to, std::size_t room,
                            std::uint32_t* flags, nghttp2_data_source*, void* user) -> ssize_t {
      Stream& stream = of(user).streams[static_cast<std::uint32_t>(id)];
      const std::size_t size = std::min(room, stream.to_send.size());
      if (size == 0 && !stream.ends) {
        return NGHTTP2_ERR_DEFERRED;
      }
      std::copy_n(stream.to_send.data(), size, to);
      stream.to_send.erase(0, size);
      if (stream.to_send.empty() && stream.ends) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!stream.trailers.empty()) {
          *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
          std::vector<nghttp2_nv> fields;
          for (const Field& one : stream.trailers) {
            fields.push_back(field(one.name, one.value));
          }
          nghttp2_submit_trailer(from, id, fields.data(), fields.size());
        }
      }
      return static_cast<ssize_t>(size);
    };
    return made;
  }

  TestClient client;
  nghttp2_session* session = nullptr;
  std::map<std::uint32_t, Stream> streams;
  std::size_t ended = 0;
  std::optional<std::uint32_t> goaway;
  std::optional<std::uint32_t> last_served;
};

Http2TestClient::Http2TestClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
Http2TestClient::~Http2TestClient() = default;
Http2TestClient::Http2TestClient(Http2TestClient&&) noexcept = default;

Http2TestClient::Http2TestClient(TestClient client, std::uint32_t window)
    : state_(std::make_unique<State>(std::move(client))) {
  const nghttp2_settings_entry setting{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
  nghttp2_submit_settings(state_->session, NGHTTP2_FLAG_NONE, &setting, 1);
  state_->flush();
}

Http2TestClient Http2TestClient::upgraded(TestClient client, std::string_view settings) {
  auto state = std::make_unique<State>(std::move(client));
  const std::string payload = decode_base64url(settings).value();
  EXPECT_EQ(nghttp2_session_upgrade2(state->session, reinterpret_cast<const std::uint8_t*>(payload.data()),
                                     payload.size(), 0, nullptr),
            0);
  nghttp2_submit_settings(state->session, NGHTTP2_FLAG_NONE, nullptr, 0);
  state->flush();
  return Http2TestClient(std::move(state));
}

std::uint32_t Http2TestClient::send(const Request& request) {
  std::vector<nghttp2_nv> fields{field(":method", request.method), field(":scheme", "http"),
                                 field(":path", request.path), field(":authority", "test")};
  for (const Field& one : request.fields) {
    fields.push_back(field(one.name, one.value));
  }
  const auto next = nghttp2_session_get_next_stream_id(state_->session);
  State::Stream& stream = state_->streams[next];
  stream.to_send = request.body.value_or("");
  stream.ends = request.ends;
  stream.trailers = request.trailers;
  const auto provider = state_->provider();
  const bool has_body = request.body || !request.ends;
  EXPECT_EQ(nghttp2_submit_request(state_->session, nullptr, fields.data(), fields.size(),
                                   has_body ? &provider : nullptr, nullptr),
            static_cast<std::int32_t>(next));
  state_->flush();
  return next;
}

void Http2TestClient::send_more(std::uint32_t stream, std::string_view bytes, bool ends) {
  state_->streams[stream].to_send += bytes;
  state_->streams[stream].ends = ends;
  nghttp2_session_resume_data(state_->session, static_cast<std::int32_t>(stream));
  state_->flush();
}

void Http2TestClient::reset(std::uint32_t stream) {
  nghttp2_submit_rst_stream(state_->session, NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(stream), NGHTTP2_CANCEL);
  state_->flush();
}

void Http2TestClient::open_windows(std::uint32_t stream, std::int32_t by) {
  nghttp2_submit_window_update(state_->session, NGHTTP2_FLAG_NONE, 0, by);
  nghttp2_submit_window_update(state_->session, NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(stream), by);
  state_->flush();
}

void Http2TestClient::send_raw(std::string_view bytes) {
  state_->put(bytes);
}

bool Http2TestClient::read_until(const std::function<bool()>& condition) {
  while (!condition()) {
    const std::string bytes = state_->client.take_bytes();
    if (bytes.empty()) {
      return false;
    }
    const auto used =
        nghttp2_session_mem_recv(state_->session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    EXPECT_EQ(used, static_cast<ssize_t>(bytes.size())) << nghttp2_strerror(static_cast<int>(used));
    state_->flush();
  }
  return true;
}

Http2TestClient::Answer& Http2TestClient::answer(std::uint32_t stream) {
  read_until([&] { return state_->streams[stream].is_over; });
  return state_->streams[stream].answer;
}

Http2TestClient::Answer& Http2TestClient::so_far(std::uint32_t stream) {
  return state_->streams[stream].answer;
}

std::optional<std::uint32_t> Http2TestClient::goaway() {
  read_until([] { return false; });
  return state_->goaway;
}

std::optional<std::uint32_t> Http2TestClient::last_served() const {
  return state_->last_served;
}

void Http2TestClient::read_some() {
  bool once = false;
  read_until([&] { return std::exchange(once, true); });
}

void Http2TestClient::close() {
  state_->client.close();
}

TestClient& Http2TestClient::wire() {
  return state_->client;
}

}  // namespace trilby::http
