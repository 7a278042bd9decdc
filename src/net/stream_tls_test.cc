#include <algorithm>
#include <array>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream.h"
#include "net/tls_test_peer.h"

namespace trilby::net {
namespace {

/// Two ends of a TCP connection.
std::pair<Socket, Socket> connect_pair() {
  const Socket listening = listen_tcp("127.0.0.1", 0).value();
  Socket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  EXPECT_EQ(getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  Socket server;
  while (!server) {
    server = Socket(accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }
  return {std::move(server), std::move(client)};
}

/// A stream with TLS, and a client that speaks on a thread of its own.
class StreamTlsTest : public testing::Test, public Stream::Listener {
 protected:
  /// \param room  of the socket: so little that answers do not fit
  explicit StreamTlsTest(int room = 16 * 1024) {
    auto [near, far] = connect_pair();
    setsockopt(near.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    far_socket = std::move(far);
    stream.emplace(loop, std::move(near), make_test_context({"h2", "http/1.1"}), *this);
    guard.start(std::chrono::seconds(20), [this] {
      ADD_FAILURE() << "the stream said nothing";
      loop.stop();
    });
  }
  ~StreamTlsTest() override {
    if (client.joinable()) {
      client.join();
    }
  }

  void on_input(Stream::Input input) override { input_seen(input); }
  void on_writable() override { writable_seen(); }

  /// Runs `script` beside the loop.
  void with_client(std::function<void(TlsTestClient&)> script, const TlsTestClient::Options& options = {}) {
    client = std::thread([this, script = std::move(script), options] {
      TlsTestClient peer(std::move(far_socket), options);
      script(peer);
    });
  }
  void with_bytes(std::function<void(Socket&)> script) {
    client = std::thread([this, script = std::move(script)] { script(far_socket); });
  }
  /// Runs the loop until there is text, or none will come. \return all text up to then
  Stream::Input run_to_end(std::string& text, std::size_t capacity = 4096) {
    std::optional<Stream::Input> end;
    input_seen = [&, capacity](Stream::Input input) {
      text += stream->input();
      stream->consume(stream->input().size());
      if (input != Stream::Input::More) {
        end = input;
        return loop.stop();
      }
      stream->receive(capacity);
    };
    stream->receive(capacity);
    loop.run();
    return end.value_or(Stream::Input::More);
  }
  /// Runs the loop until hands are shaken.
  void shake_hands() {
    input_seen = [this](Stream::Input input) {
      EXPECT_EQ(input, Stream::Input::More);
      loop.stop();
    };
    stream->receive(4096);
    loop.run();
    loop.context().restart();
    ASSERT_FALSE(stream->is_shaking_hands());
  }

  Loop loop;
  Timer guard{loop};
  Socket far_socket;
  std::optional<Stream> stream;
  std::thread client;
  std::function<void(Stream::Input)> input_seen = [](Stream::Input) { FAIL(); };
  std::function<void()> writable_seen = [] { FAIL(); };
};

TEST_F(StreamTlsTest, ShakesHandsAndSaysSoOnce) {
  with_client(
      [](TlsTestClient& peer) {
        EXPECT_TRUE(peer.shake_hands()) << peer.error();
        EXPECT_EQ(peer.protocol(), "h2");
        EXPECT_STREQ(SSL_get_version(peer.ssl()), "TLSv1.3");
      },
      {.protocols = "\x08http/1.1\x02h2"});
  EXPECT_TRUE(stream->is_shaking_hands());
  EXPECT_EQ(stream->protocol(), "");
  shake_hands();
  EXPECT_EQ(stream->protocol(), "h2");
  EXPECT_EQ(stream->input(), "");
}

TEST_F(StreamTlsTest, BringsTextBothWaysAndToldEndsInOrder) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands()) << peer.error();
    EXPECT_TRUE(peer.send("question"));
    EXPECT_EQ(peer.read_exactly(11), "two answers");
    peer.end_output();
    EXPECT_EQ(peer.read_exactly(4), "more");  // half of it goes on
    EXPECT_TRUE(peer.was_told_the_end());
  });
  std::string text;
  input_seen = [&](Stream::Input input) {
    text += stream->input();
    stream->consume(stream->input().size());
    if (input == Stream::Input::End) {
      EXPECT_EQ(stream->write(std::array<std::string_view, 1>{"more"}), 4U);
      stream->shutdown_send();
      return loop.stop();
    }
    if (text == "question") {
      EXPECT_EQ(stream->write(std::array<std::string_view, 4>{"two", "", " ", "answers"}), 11U);
    }
    stream->receive(4096);
  };
  stream->receive(4096);
  loop.run();
  EXPECT_EQ(text, "question");
}

TEST_F(StreamTlsTest, AnEndWithoutAFarewellIsAnEnd) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    EXPECT_TRUE(peer.send("question"));
    ::shutdown(peer.socket().get(), SHUT_WR);
    EXPECT_EQ(peer.read_some(), "answer");
  });
  std::string text;
  EXPECT_EQ(run_to_end(text), Stream::Input::End);
  EXPECT_EQ(text, "question");
  EXPECT_EQ(stream->write(std::array<std::string_view, 1>{"answer"}), 6U);
}

TEST_F(StreamTlsTest, TellsThePeerWhenItCloses) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    EXPECT_TRUE(peer.was_told_the_end());
  });
  shake_hands();
  stream->close();
}

TEST_F(StreamTlsTest, DoesNotTellThePeerWhenItAborts) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    EXPECT_FALSE(peer.was_told_the_end());
  });
  shake_hands();
  stream->abort();
}

TEST_F(StreamTlsTest, ReadsNoFurtherThanItsCapacityAndGoesOnFromThere) {
  std::string sent;
  for (int i = 0; sent.size() < 100'000; ++i) {
    sent += std::to_string(i);
  }
  with_client([&](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    EXPECT_TRUE(peer.send(sent));
    peer.end_output();
    EXPECT_TRUE(peer.was_told_the_end());
  });
  std::string text;
  input_seen = [&](Stream::Input input) {
    EXPECT_LE(stream->input().size(), 1000U);
    const std::size_t part = std::min<std::size_t>(stream->input().size(), 700);
    text += stream->input().substr(0, part);
    stream->consume(part);
    if (input == Stream::Input::End) {
      text += stream->input();
      stream->close();
      return loop.stop();
    }
    stream->receive(1000);
  };
  stream->receive(1000);
  loop.run();
  EXPECT_EQ(text.size(), sent.size());
  EXPECT_TRUE(text == sent);
  client.join();  // it sends what ends here
}

TEST_F(StreamTlsTest, WritesWhatThePeerTakesAndNothingTwice) {
  std::string body;
  for (int i = 0; body.size() < 1'000'000; ++i) {
    body += std::to_string(i);
  }
  const std::string head = "a head ";
  with_client([&](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    EXPECT_TRUE(peer.read_exactly(head.size() + body.size() + 3) == head + body + "end");
    EXPECT_TRUE(peer.was_told_the_end());
  });
  shake_hands();
  std::size_t written = 0;
  int full = 0;
  const std::size_t size = head.size() + body.size() + 3;
  const auto go_on = [&] {
    std::array<std::string_view, 4> pieces{head, body, "", "end"};
    std::size_t skip = written;
    for (std::string_view& piece : pieces) {
      const std::size_t gone = std::min(skip, piece.size());
      piece.remove_prefix(gone);
      skip -= gone;
    }
    const auto taken = stream->write(pieces);
    ASSERT_TRUE(taken);
    written += *taken;
    if (written < size) {
      ++full;
      return stream->wait_writable();
    }
    stream->close();
    loop.stop();
  };
  writable_seen = go_on;
  go_on();
  loop.run();
  EXPECT_EQ(written, size);
  EXPECT_GT(full, 0);
  client.join();  // it compares with what ends here
}

class RoomyStreamTlsTest : public StreamTlsTest {
 protected:
  RoomyStreamTlsTest() : StreamTlsTest(8 << 20) {}
};

TEST_F(RoomyStreamTlsTest, GivesOthersTheirTurnWhateverTheSocketTakes) {
  const std::string body(std::size_t{4} << 20U, 'x');
  with_client([&](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    EXPECT_EQ(peer.read_exactly(body.size()).size(), body.size());
  });
  shake_hands();
  std::size_t written = 0;
  std::size_t most = 0;
  writable_seen = [&] {
    const auto taken = stream->write(std::array<std::string_view, 1>{std::string_view(body).substr(written)});
    ASSERT_TRUE(taken);
    written += *taken;
    most = std::max(most, *taken);
    if (written == body.size()) {
      return loop.stop();
    }
    stream->wait_writable();
  };
  writable_seen();
  loop.run();
  EXPECT_EQ(written, body.size());
  EXPECT_GT(most, 100'000U) << "it is not cut to pieces either";
  EXPECT_LE(most, Stream::kMostAtOnce);
  client.join();  // it compares with what ends here
}

TEST_F(StreamTlsTest, TakesARecordByteByByte) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    // What the client would send is kept, and sent in pieces.
    BIO* const kept = BIO_new(BIO_s_mem());
    SSL_set0_wbio(peer.ssl(), kept);
    EXPECT_TRUE(peer.send("piece by piece"));
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(kept, &bytes);
    ASSERT_GT(size, 20);
    for (long i = 0; i < size; ++i) {
      ASSERT_EQ(::send(peer.socket().get(), bytes + i, 1, MSG_NOSIGNAL), 1);
    }
    ::shutdown(peer.socket().get(), SHUT_WR);
  });
  std::string text;
  EXPECT_EQ(run_to_end(text), Stream::Input::End);
  EXPECT_EQ(text, "piece by piece");
}

TEST_F(StreamTlsTest, GoesOnAfterThePeerChangesItsKeys) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    EXPECT_TRUE(peer.send("before "));
    ASSERT_EQ(SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    EXPECT_TRUE(peer.send("after"));
    peer.end_output();
    EXPECT_EQ(peer.read_some(), "answer");
  });
  std::string text;
  EXPECT_EQ(run_to_end(text), Stream::Input::End);
  EXPECT_EQ(text, "before after");
  EXPECT_EQ(stream->write(std::array<std::string_view, 1>{"answer"}), 6U);
}

TEST_F(StreamTlsTest, AFloodOfChangesOfKeysEndsTheConnection) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    for (int i = 0; i < 100; ++i) {  // with text between them they may be many
      ASSERT_EQ(SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
      ASSERT_TRUE(peer.send("."));
    }
    for (int i = 0; i < 100 && SSL_key_update(peer.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1; ++i) {
      if (SSL_do_handshake(peer.ssl()) != 1) {
        break;  // it is cut off
      }
    }
    char byte = 0;
    EXPECT_LE(::recv(peer.socket().get(), &byte, 1, 0), 0) << "it is not waited for more";
  });
  std::string text;
  EXPECT_EQ(run_to_end(text), Stream::Input::Failed);
  EXPECT_EQ(text, std::string(100, '.'));
  stream->close();
}

TEST_F(StreamTlsTest, RefusesToNegotiateAnew) {
  with_client(
      [](TlsTestClient& peer) {
        ASSERT_TRUE(peer.shake_hands());
        EXPECT_STREQ(SSL_get_version(peer.ssl()), "TLSv1.2");
        SSL_renegotiate(peer.ssl());
        EXPECT_FALSE(SSL_do_handshake(peer.ssl()) == 1 && SSL_renegotiate_pending(peer.ssl()) == 0);
      },
      {.most = TLS1_2_VERSION});
  shake_hands();
  std::string text;
  run_to_end(text);
  EXPECT_EQ(text, "");
}

TEST_F(StreamTlsTest, AHandshakeMessageWithoutItsEndEndsTheConnection) {
  with_client(
      [](TlsTestClient& peer) {
        ASSERT_TRUE(peer.shake_hands());
        EXPECT_TRUE(peer.send("question"));
        // Of a greeting that takes several records the first alone is sent.
        ASSERT_EQ(SSL_set_tlsext_host_name(peer.ssl(), std::string(255, 'x').c_str()), 1);
        ASSERT_EQ(SSL_set_max_send_fragment(peer.ssl(), 512), 1);
        BIO* const kept = BIO_new(BIO_s_mem());
        SSL_set0_wbio(peer.ssl(), kept);
        SSL_set0_rbio(peer.ssl(), BIO_new(BIO_s_mem()));
        SSL_renegotiate(peer.ssl());
        EXPECT_LE(SSL_do_handshake(peer.ssl()), 0);
        char* bytes = nullptr;
        const long size = BIO_get_mem_data(kept, &bytes);
        ASSERT_GT(size, 560);
        const std::size_t first =
            5 + static_cast<unsigned char>(bytes[3]) * 256U + static_cast<unsigned char>(bytes[4]);
        ASSERT_LT(first, 600U);
        EXPECT_EQ(::send(peer.socket().get(), bytes, first, MSG_NOSIGNAL), static_cast<ssize_t>(first));
        char byte = 0;
        EXPECT_LE(::recv(peer.socket().get(), &byte, 1, MSG_WAITALL), 0) << "it waits for the end";
      },
      {.most = TLS1_2_VERSION});
  std::string text;
  EXPECT_EQ(run_to_end(text), Stream::Input::Failed);
  EXPECT_EQ(text, "question");
  EXPECT_FALSE(stream->write(std::array<std::string_view, 1>{"answer"})) << "nothing will ever take it";
  stream->close();
}

TEST_F(StreamTlsTest, GivesNothingToResumeWith) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    EXPECT_EQ(peer.read_some(), "text");
    EXPECT_EQ(SSL_SESSION_is_resumable(SSL_get0_session(peer.ssl())), 0);
  });
  shake_hands();
  EXPECT_EQ(stream->write(std::array<std::string_view, 1>{"text"}), 4U);
}

/// What never becomes a connection.
class FailedHandshakeTest : public StreamTlsTest {
 protected:
  void expect_failure(observe::HandshakeEnd why) {
    std::string text;
    EXPECT_EQ(run_to_end(text), Stream::Input::Failed);
    EXPECT_EQ(text, "");
    EXPECT_TRUE(stream->is_shaking_hands());
    EXPECT_EQ(stream->handshake_failure(), why);
    stream->close();
  }
  /// The client tries, and is told why it fails.
  void expect_refusal(const TlsTestClient::Options& options, const std::string& why) {
    with_client(
        [why](TlsTestClient& peer) {
          EXPECT_FALSE(peer.shake_hands());
          EXPECT_EQ(peer.error(), why);
        },
        options);
    expect_failure(observe::HandshakeEnd::Protocol);
  }
  /// It is the client that says no.
  void expect_distrust(int version) {
    with_client(
        [](TlsTestClient& peer) {
          SSL_set_verify(peer.ssl(), SSL_VERIFY_PEER, nullptr);
          EXPECT_FALSE(peer.shake_hands());
          EXPECT_EQ(peer.error(), "certificate verify failed");
        },
        {.least = version, .most = version});
    expect_failure(observe::HandshakeEnd::Refused);
  }
};

TEST_F(FailedHandshakeTest, WithVersionsThatAreTooOld) {
  expect_refusal({.least = TLS1_VERSION, .most = TLS1_1_VERSION}, "tlsv1 alert protocol version");
}

TEST_F(FailedHandshakeTest, WithProtocolsThatAreNotServed) {
  expect_refusal({.protocols = "\x06spdy/1"}, "tlsv1 alert no application protocol");
}

TEST_F(FailedHandshakeTest, WithARequestOfPlainHttp) {
  with_bytes([](const Socket& peer) {
    constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    EXPECT_EQ(::send(peer.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL), std::ssize(kRequest));
  });
  expect_failure(observe::HandshakeEnd::Protocol);
}

TEST_F(FailedHandshakeTest, WithGarbage) {
  with_bytes([](const Socket& peer) {
    std::string garbage(5000, '\x16');
    for (std::size_t i = 1; i < garbage.size(); ++i) {
      garbage[i] = static_cast<char>(i * i * 37 % 251);
    }
    EXPECT_GT(::send(peer.get(), garbage.data(), garbage.size(), MSG_NOSIGNAL), 0);
  });
  expect_failure(observe::HandshakeEnd::Protocol);
}

TEST_F(FailedHandshakeTest, WithARecordThatIsTooLarge) {
  with_bytes([](const Socket& peer) {
    std::string record = "\x16\x03\x01\xff\xff";
    record.resize(5 + 0xffff, 'x');
    EXPECT_GT(::send(peer.get(), record.data(), record.size(), MSG_NOSIGNAL), 0);
  });
  expect_failure(observe::HandshakeEnd::Protocol);
}

TEST_F(FailedHandshakeTest, WithMoreBytesThanAHandshakeNeeds) {
  with_bytes([](const Socket& peer) {
    // A greeting of 128 KiB, in whole records, which OpenSSL alone would wait for.
    std::string bytes;
    for (int i = 0; i < 8; ++i) {
      std::string record(16 * 1024, 'x');
      if (i == 0) {
        record.replace(0, 4, std::string_view("\x01\x01\xff\xfc", 4));
      }
      bytes += std::string_view("\x16\x03\x01\x40\x00", 5);
      bytes += record;
    }
    for (std::string_view left = bytes; !left.empty();) {
      const ssize_t sent = ::send(peer.get(), left.data(), left.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        break;  // it was cut off
      }
      left.remove_prefix(static_cast<std::size_t>(sent));
    }
  });
  expect_failure(observe::HandshakeEnd::Protocol);
}

TEST_F(FailedHandshakeTest, WithAPeerThatLeavesOrResetsInTheMiddle) {
  with_bytes([](Socket& peer) {
    constexpr std::string_view kBeginning("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    EXPECT_EQ(::send(peer.get(), kBeginning.data(), kBeginning.size(), MSG_NOSIGNAL), std::ssize(kBeginning));
    TlsTestClient(std::move(peer)).reset();
  });
  expect_failure(observe::HandshakeEnd::Closed);
}

TEST_F(FailedHandshakeTest, WithAnEndInTheMiddle) {
  with_bytes([](Socket& peer) {
    EXPECT_EQ(::send(peer.get(), "\x16\x03", 2, MSG_NOSIGNAL), 2);
    peer.close();
  });
  expect_failure(observe::HandshakeEnd::Closed);
}

TEST_F(FailedHandshakeTest, WithAPeerThatDoesNotTrustTheCertificate) {
  expect_distrust(TLS1_3_VERSION);
}

TEST_F(FailedHandshakeTest, WithAPeerOfTls12ThatDoesNotTrustTheCertificate) {
  expect_distrust(TLS1_2_VERSION);
}

TEST_F(StreamTlsTest, ABrokenRecordEndsTheConnection) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    const std::string_view forged(
        "\x17\x03\x03\x00\x20"
        "0123456789abcdef0123456789abcdef",
        37);
    EXPECT_EQ(::send(peer.socket().get(), forged.data(), forged.size(), MSG_NOSIGNAL), std::ssize(forged));
    EXPECT_EQ(peer.read_some(), "");
    EXPECT_NE(peer.error().find("bad record mac"), std::string::npos) << peer.error();
  });
  std::string text;
  EXPECT_EQ(run_to_end(text), Stream::Input::Failed);
  EXPECT_EQ(text, "");
  stream->close();
}

TEST_F(StreamTlsTest, MayBeDestroyedAtAnyMoment) {
  with_client([](TlsTestClient& peer) { EXPECT_FALSE(peer.shake_hands()); });
  stream->receive(4096);
  stream.reset();
  loop.post([this] { loop.stop(); });
  loop.run();
}

TEST_F(StreamTlsTest, IsTakenOverWithWhatWaits) {
  with_client([](TlsTestClient& peer) {
    ASSERT_TRUE(peer.shake_hands());
    EXPECT_TRUE(peer.send("abcdef"));
    EXPECT_EQ(peer.read_some(), "answer");
  });
  std::optional<Stream> next;
  input_seen = [&](Stream::Input) {
    if (stream->input().size() < 6) {
      return stream->receive(4096);
    }
    stream->consume(2);
    next.emplace(std::move(*stream), *this);
    EXPECT_EQ(next->input(), "cdef");
    EXPECT_FALSE(next->is_shaking_hands());
    EXPECT_EQ(next->write(std::array<std::string_view, 1>{"answer"}), 6U);
    loop.stop();
  };
  stream->receive(4096);
  loop.run();
  EXPECT_TRUE(next);
}

}  // namespace
}  // namespace trilby::net
