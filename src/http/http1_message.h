/// \file  What requests and responses have in common on the wire: fields, framing, and the bounds of both. Private to
/// http/, and to the files that know llhttp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llhttp.h>

#include "call/fields.h"
#include "http/field_kind.h"
#include "http/http1_codec.h"

namespace trilby::http {

/// Drives llhttp, which calls back for each part, so that it pauses at every event. Who derives from it says what is
/// special about a request or a response.
class MessageParser {
 public:
  enum class Phase : std::uint8_t { Between, Head, Body, Refused };

  MessageParser(const MessageParser&) = delete;
  MessageParser& operator=(const MessageParser&) = delete;

  [[nodiscard]] ParserStep next(std::string_view input);
  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] const Framing& framing() const { return framing_; }
  [[nodiscard]] std::string_view body() const { return body_; }
  [[nodiscard]] Reason reason() const { return reason_; }
  [[nodiscard]] std::string_view detail() const { return detail_; }
  [[nodiscard]] const std::string& h2c_settings() const { return h2c_settings_; }

 protected:
  enum class Verdict : std::uint8_t {
    Keep,    ///< it is one of the fields
    Drop,    ///< it is understood, and stays here
    Refuse,  ///< refuse() was told why
  };
  /// Why messages of this kind are refused.
  struct Reasons {
    Reason malformed;
    Reason too_large;
  };

  MessageParser(llhttp_type_t type, ParserLimits limits, Reasons reasons);
  ~MessageParser() = default;

  /// A head begins: forget the one before.
  virtual void begin_head() = 0;
  /// Where the fields go.
  [[nodiscard]] virtual Fields& fields() = 0;
  /// A part of the request target.
  virtual void take_target(std::string_view part) = 0;
  /// What becomes of a field that does not frame the message. \param kind  Plain, Host or Expect
  [[nodiscard]] virtual Verdict judge(FieldKind kind, std::string_view content) = 0;
  /// The head is there, with sound framing: sets what framing() says beyond that. \return what is wrong; empty: nothing
  [[nodiscard]] virtual std::string_view check_head() = 0;
  /// Whether the head under way is one that is skipped.
  [[nodiscard]] virtual bool is_interim() const = 0;

  int refuse(Reason why, std::string_view what);
  ParserStep refused();
  ParserStep ended();

  [[nodiscard]] llhttp_t& wire() { return parser_; }
  [[nodiscard]] bool has_coding() const { return has_coding_; }

  Framing framing_;  // of the message under way

 private:
  static const llhttp_settings_t& settings();
  static MessageParser& of(llhttp_t* parser) { return *static_cast<MessageParser*>(parser->data); }

  void begin();
  int take_field();
  int take_connection_options();
  int take_head();
  void note_offer(std::string_view content);
  std::string_view check_framing();
  int take_end();
  ParserStep after_pause(std::size_t used);
  ParserStep refuse_length();

  const ParserLimits limits_;
  const Reasons reasons_;
  llhttp_t parser_{};
  Phase phase_ = Phase::Between;
  ParserEvent pending_ = ParserEvent::NeedMore;  // set by the callback that paused the parser
  std::size_t overhead_ = 0;                     // bytes that are not body: of the head, then of the chunks' framing

  std::string_view body_;
  Reason reason_ = Reason::Ok;
  std::string_view detail_;

  // The head under way.
  std::string name_;
  std::string value_;
  std::uint32_t field_count_ = 0;
  bool is_http_ = false;
  bool has_coding_ = false;
  bool has_foreign_coding_ = false;
  std::vector<std::string> dropped_;  // fields that Connection names
  std::string h2c_settings_;          // empty, once the head is there: it does not offer HTTP/2
  struct {
    bool has_h2c = false;
    bool names_settings = false;
    std::uint32_t settings_count = 0;
  } offer_;
};

}  // namespace trilby::http
