;; `hello` for `wasmtime serve`: a wasi:http component that answers 200, content-type text/plain, "hello". Written by hand, so
;; that nothing of a language's runtime is measured: it is about as small and as quick as such a component can be.
(component
  ;; ---- What it imports of wasi:io and wasi:http, spelled out as far as it is used.
  (import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $io-error-type))

  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $io-error-type (type $error-type))
    (export "error" (type $error (eq $error-type)))
    (export "output-stream" (type $output-stream (sub resource)))
    (type $stream-error-type (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error-type)))
    (export "[method]output-stream.check-write"
      (func (param "self" (borrow $output-stream)) (result (result u64 (error $stream-error)))))
    (export "[method]output-stream.write"
      (func (param "self" (borrow $output-stream)) (param "contents" (list u8)) (result (result (error $stream-error)))))
  ))
  (alias export $streams "output-stream" (type $output-stream))

  (import "wasi:http/types@0.2.0" (instance $http
    (alias outer 1 $output-stream (type $output-stream-type))
    (export "output-stream" (type $output-stream (eq $output-stream-type)))
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type $response-outparam (sub resource)))
    (export "outgoing-response" (type $outgoing-response (sub resource)))
    (export "outgoing-body" (type $outgoing-body (sub resource)))
    (export "fields" (type $fields (sub resource)))
    (type $header-error-type (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
    (export "header-error" (type $header-error (eq $header-error-type)))
    (type $dns-type (record (field "rcode" (option string)) (field "info-code" (option u16))))
    (export "DNS-error-payload" (type $dns (eq $dns-type)))
    (type $tls-type (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
    (export "TLS-alert-received-payload" (type $tls (eq $tls-type)))
    (type $size-type (record (field "field-name" (option string)) (field "field-size" (option u32))))
    (export "field-size-payload" (type $size (eq $size-type)))
    (type $error-code-type (variant
      (case "DNS-timeout") (case "DNS-error" $dns) (case "destination-not-found") (case "destination-unavailable")
      (case "destination-IP-prohibited") (case "destination-IP-unroutable") (case "connection-refused")
      (case "connection-terminated") (case "connection-timeout") (case "connection-read-timeout")
      (case "connection-write-timeout") (case "connection-limit-reached") (case "TLS-protocol-error")
      (case "TLS-certificate-error") (case "TLS-alert-received" $tls) (case "HTTP-request-denied")
      (case "HTTP-request-length-required") (case "HTTP-request-body-size" (option u64))
      (case "HTTP-request-method-invalid") (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long")
      (case "HTTP-request-header-section-size" (option u32)) (case "HTTP-request-header-size" (option $size))
      (case "HTTP-request-trailer-section-size" (option u32)) (case "HTTP-request-trailer-size" $size)
      (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" (option u32))
      (case "HTTP-response-header-size" $size) (case "HTTP-response-body-size" (option u64))
      (case "HTTP-response-trailer-section-size" (option u32)) (case "HTTP-response-trailer-size" $size)
      (case "HTTP-response-transfer-coding" (option string)) (case "HTTP-response-content-coding" (option string))
      (case "HTTP-response-timeout") (case "HTTP-upgrade-failed") (case "HTTP-protocol-error") (case "loop-detected")
      (case "configuration-error") (case "internal-error" (option string))))
    (export "error-code" (type $error-code (eq $error-code-type)))
    (export "[static]fields.from-list"
      (func (param "entries" (list (tuple string (list u8)))) (result (result (own $fields) (error $header-error)))))
    (export "[constructor]outgoing-response" (func (param "headers" (own $fields)) (result (own $outgoing-response))))
    (export "[method]outgoing-response.body"
      (func (param "self" (borrow $outgoing-response)) (result (result (own $outgoing-body)))))
    (export "[method]outgoing-body.write"
      (func (param "self" (borrow $outgoing-body)) (result (result (own $output-stream)))))
    (export "[static]outgoing-body.finish"
      (func (param "this" (own $outgoing-body)) (param "trailers" (option (own $fields))) (result (result (error $error-code)))))
    (export "[static]response-outparam.set"
      (func (param "param" (own $response-outparam))
            (param "response" (result (own $outgoing-response) (error $error-code)))))
  ))
  (alias export $http "incoming-request" (type $incoming-request))
  (alias export $http "response-outparam" (type $response-outparam))

  ;; ---- Its memory: two headers, the body, and a place for results.
  (core module $data
    (memory (export "memory") 1)
    ;; for the text of an error, which there is none of
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    ;; the list of two tuples: where a name is, its length, where its value is, its length
    (data (i32.const 0) "\30\00\00\00\0c\00\00\00\40\00\00\00\0a\00\00\00")
    (data (i32.const 16) "\50\00\00\00\0e\00\00\00\60\00\00\00\01\00\00\00")
    (data (i32.const 32) "hello")
    (data (i32.const 48) "content-type")
    (data (i32.const 64) "text/plain")
    (data (i32.const 80) "content-length")
    (data (i32.const 96) "5"))
  (core instance $data (instantiate $data))
  (alias core export $data "memory" (core memory $memory))
  (alias core export $data "realloc" (core func $realloc))

  (core func $from-list (canon lower (func $http "[static]fields.from-list") (memory $memory)))
  (core func $new-response (canon lower (func $http "[constructor]outgoing-response")))
  (core func $body-of (canon lower (func $http "[method]outgoing-response.body") (memory $memory)))
  (core func $stream-of (canon lower (func $http "[method]outgoing-body.write") (memory $memory)))
  (core func $finish (canon lower (func $http "[static]outgoing-body.finish") (memory $memory) (realloc $realloc)))
  (core func $set (canon lower (func $http "[static]response-outparam.set") (memory $memory)))
  (core func $check-write (canon lower (func $streams "[method]output-stream.check-write") (memory $memory)))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory $memory)))
  (core func $drop-stream (canon resource.drop $output-stream))
  (core func $drop-request (canon resource.drop $incoming-request))

  ;; ---- What it does. Results are written at 128: a byte that is 0 when it went well, then what it is, at 132 (a u64 at 136).
  (core module $main
    (import "data" "memory" (memory 1))
    (import "host" "from-list" (func $from-list (param i32 i32 i32)))
    (import "host" "new-response" (func $new-response (param i32) (result i32)))
    (import "host" "body-of" (func $body-of (param i32 i32)))
    (import "host" "stream-of" (func $stream-of (param i32 i32)))
    (import "host" "finish" (func $finish (param i32 i32 i32 i32)))
    (import "host" "set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
    (import "host" "check-write" (func $check-write (param i32 i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (import "host" "drop-stream" (func $drop-stream (param i32)))
    (import "host" "drop-request" (func $drop-request (param i32)))

    (func $check (if (i32.load8_u (i32.const 128)) (then unreachable)))
    (func $handle (; of a result ;) (result i32) (call $check) (i32.load (i32.const 132)))

    (func (export "handle") (param $request i32) (param $out i32)
      (local $response i32) (local $body i32) (local $stream i32)
      (call $from-list (i32.const 0) (i32.const 2) (i32.const 128))
      (local.set $response (call $new-response (call $handle)))
      (call $body-of (local.get $response) (i32.const 128))
      (local.set $body (call $handle))
      (call $stream-of (local.get $body) (i32.const 128))
      (local.set $stream (call $handle))
      (call $check-write (local.get $stream) (i32.const 128))
      (call $check)
      (if (i64.lt_u (i64.load (i32.const 136)) (i64.const 5)) (then unreachable))
      (call $write (local.get $stream) (i32.const 32) (i32.const 5) (i32.const 128))
      (call $check)
      (call $drop-stream (local.get $stream))
      (call $set (local.get $out) (i32.const 0) (local.get $response)
        (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
      (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 128))
      (call $check)
      (call $drop-request (local.get $request))))
  (core instance $main (instantiate $main
    (with "data" (instance $data))
    (with "host" (instance
      (export "from-list" (func $from-list)) (export "new-response" (func $new-response))
      (export "body-of" (func $body-of)) (export "stream-of" (func $stream-of))
      (export "finish" (func $finish)) (export "set" (func $set))
      (export "check-write" (func $check-write)) (export "write" (func $write))
      (export "drop-stream" (func $drop-stream)) (export "drop-request" (func $drop-request))))))

  (func $handle (param "request" (own $incoming-request)) (param "response-out" (own $response-outparam))
    (canon lift (core func $main "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
