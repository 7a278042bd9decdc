;; Writes what it sees of time and chance, eight bytes each: resolution, time of day, monotonic clock, the same again, two random
;; numbers; then waits as long as its input says (nanoseconds) and writes the monotonic clock once more.
(module
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "\58\01\00\00\08\00\00\00")           ;; read: eight bytes at 344, the timeout of the subscription
  (data (i32.const 32) "\00\04\00\00\38\00\00\00")           ;; write: 56 bytes at 1024
  (data (i32.const 320) "\2a\00\00\00\00\00\00\00")          ;; the subscription: userdata 42, a clock,
  (data (i32.const 336) "\01\00\00\00")                      ;; the monotonic one

  (func $is (param $got i32) (param $wanted i32)
    (if (i32.ne (local.get $got) (local.get $wanted)) (then (unreachable))))
  (func (export "_start")
    (call $is (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 64)) (i32.const 0))
    (call $is (call $clock_res_get (i32.const 1) (i32.const 1024)) (i32.const 0))
    (call $is (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 1032)) (i32.const 0))
    (call $is (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 1040)) (i32.const 0))
    (call $is (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 1048)) (i32.const 0))
    (call $is (call $random_get (i32.const 1056) (i32.const 16)) (i32.const 0))
    (call $is (call $poll_oneoff (i32.const 320) (i32.const 512) (i32.const 1) (i32.const 64)) (i32.const 0))
    (call $is (i32.load (i32.const 64)) (i32.const 1))
    (call $is (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 1072)) (i32.const 0))
    (call $is (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 64)) (i32.const 0))))
