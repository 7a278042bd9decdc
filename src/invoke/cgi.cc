#include "invoke/cgi.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <optional>
#include <string>

#include "base/text.h"

namespace trilby::invoke {
namespace {

constexpr std::size_t kMaxFieldName = 100;
constexpr std::string_view kSoftware = "trilby";

// --- the request ---

/// Fields that are not told, or that are told under another name.
bool is_untold(std::string_view name) {
  const auto is = [&](std::string_view known) { return equal_ignoring_case(name, known); };
  return is("proxy") || is("authorization") || is("content-type") || is("content-length") || name.empty() ||
         name.size() > kMaxFieldName ||
         !std::all_of(name.begin(), name.end(), [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

/// "X-Api-Key" -> "HTTP_X_API_KEY"
std::string variable_name(std::string_view field) {
  std::string name = "HTTP_";
  std::transform(field.begin(), field.end(), std::back_inserter(name),
                 [](char c) { return c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
  return name;
}

/// A host and a port as in "127.0.0.1:8080", "[::1]:8080" or "example.com".
struct HostPort {
  std::string_view host;
  std::string_view port;
};
HostPort split(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.find(']', colon) != std::string_view::npos) {
    return {text, {}};
  }
  return {text.substr(0, colon), text.substr(colon + 1)};
}

/// What the caller calls us. Its words, so anything odd is left out.
HostPort server_of(const Call& call) {
  const std::string* field = call.fields.find("host");
  const HostPort named = split(field == nullptr ? std::string_view() : std::string_view(*field));
  const auto part_of_host = [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '.' || c == ':' || c == '[' || c == ']';
  };
  const bool good = !named.host.empty() && std::all_of(named.host.begin(), named.host.end(), part_of_host);
  const bool number = !named.port.empty() && named.port.size() <= 5 &&
                      std::all_of(named.port.begin(), named.port.end(), [](char c) { return c >= '0' && c <= '9'; });
  return {good ? named.host : "localhost", good && number ? named.port : "80"};
}

/// The address without brackets; calls that came over no network are the machine's own.
std::string_view remote_address(const Call& call) {
  std::string_view host = split(call.peer).host;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  return host.empty() ? "127.0.0.1" : host;
}

Result<void> add_fields(const Fields& fields, policy::Environment& environment) {
  std::map<std::string, std::string> told;
  for (const Field& field : fields) {
    if (is_untold(field.name)) {
      continue;
    }
    const auto [at, fresh] = told.emplace(variable_name(field.name), field.value);
    if (!fresh) {  // section 4.1.18: one variable for all of a name
      at->second += (at->first == "HTTP_COOKIE" ? "; " : ", ") + field.value;
    }
  }
  for (const auto& [name, value] : told) {
    TRILBY_CHECK(environment.add(name, value));
  }
  return {};
}

// --- the answer ---

tl::unexpected<Error> bad(std::string_view what) {
  return fail(Reason::FunctionFailed, "its CGI output is wrong: {}", what);
}

/// "404 Not Found" -> 404. What a server may answer finally, so 200 to 599.
Result<int> parse_status(std::string_view text) {
  int status = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  const std::size_t digits = static_cast<std::size_t>(end - text.data());
  if (error != std::errc{} || digits != 3 || status < 200 || status > 599 ||
      (text.size() > digits && text[digits] != ' ')) {
    return bad("Status is no number from 200 to 599");
  }
  return status;
}

/// The characters of RFC 3986, and nothing that could end a line or begin a comment.
bool is_reference(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c <= '~' && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos;
  });
}

/// Reads line after line, each without its end.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  /// \return nothing when there is no whole line within the bounds
  std::optional<std::string_view> next() {
    const std::size_t end = text_.substr(0, kMaxCgiHead).find('\n', at_);
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    std::string_view line = text_.substr(at_, end - at_);
    at_ = end + 1;
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    return line;
  }
  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<void> add_cgi_variables(const Call& call, std::size_t length, policy::Environment& environment) {
  const std::string_view path = call.path;
  const std::size_t script = std::min(call.script, path.size());
  const HostPort server = server_of(call);
  const std::string* type = call.fields.find("content-type");
  TRILBY_CHECK(environment.add("GATEWAY_INTERFACE", "CGI/1.1"));
  TRILBY_CHECK(environment.add("SERVER_SOFTWARE", kSoftware));
  TRILBY_CHECK(environment.add("SERVER_PROTOCOL", "HTTP/1.1"));
  TRILBY_CHECK(environment.add("SERVER_NAME", server.host));
  TRILBY_CHECK(environment.add("SERVER_PORT", server.port));
  TRILBY_CHECK(environment.add("REQUEST_METHOD", call.method));
  TRILBY_CHECK(environment.add("SCRIPT_NAME", path.substr(0, script)));
  TRILBY_CHECK(environment.add("PATH_INFO", path.substr(script)));
  TRILBY_CHECK(environment.add("QUERY_STRING", call.query));
  TRILBY_CHECK(environment.add("REMOTE_ADDR", remote_address(call)));
  if (length > 0) {
    TRILBY_CHECK(environment.add("CONTENT_LENGTH", std::to_string(length)));
  }
  if (type != nullptr && !type->empty()) {
    TRILBY_CHECK(environment.add("CONTENT_TYPE", *type));
  }
  return add_fields(call.fields, environment);
}

Result<CgiHead> parse_cgi_head(std::string_view output) {
  CgiHead head;
  bool has_status = false;
  Lines lines(output);
  for (;;) {
    const auto line = lines.next();
    if (!line) {
      return bad(output.size() > kMaxCgiHead ? "no blank line ends its header fields within 32 KiB"
                                             : "no blank line ends its header fields");
    }
    if (line->empty()) {
      break;
    }
    const std::size_t colon = line->find(':');
    const std::string_view name = line->substr(0, std::min(colon, line->size()));
    if (colon == std::string_view::npos || !is_token(name)) {
      return bad("a line before the blank one is no header field");
    }
    const std::string_view value = trimmed(line->substr(colon + 1));
    if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7F; })) {
      return bad("a header field has control characters");
    }
    if (equal_ignoring_case(name, "status")) {
      if (has_status) {
        return bad("Status came twice");
      }
      TRILBY_ASSIGN(head.status, parse_status(value));
      has_status = true;
      continue;
    }
    if (head.fields.size() >= kMaxCgiFields) {
      return bad("it has more than 100 header fields");
    }
    head.fields.add(ascii_lower(name), std::string(value));
  }
  head.size = lines.at();
  const std::string* location = head.fields.find("location");
  const std::string* type = head.fields.find("content-type");
  if (head.fields.count("location") > 1 || head.fields.count("content-type") > 1) {
    return bad("Content-Type or Location came twice");
  }
  if (location != nullptr) {
    if (!is_reference(*location)) {
      return bad("Location is no URI reference");
    }
    head.status = has_status ? head.status : 302;
  }
  if (type == nullptr && (output.size() > head.size || (location == nullptr && !has_status))) {
    return bad("Content-Type is missing");
  }
  return head;
}

}  // namespace trilby::invoke
