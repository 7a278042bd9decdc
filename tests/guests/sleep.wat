;; Sleeps for as many nanoseconds as the eight bytes of standard input say, then writes "awake".
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\58\00\00\00\08\00\00\00")     ;; the timeout of the subscription at 64
  (data (i32.const 64) "\2a\00\00\00\00\00\00\00")    ;; userdata 42, clock
  (data (i32.const 80) "\01")                         ;; monotonic
  (data (i32.const 200) "\e0\00\00\00\05\00\00\00")
  (data (i32.const 224) "awake")
  (func (export "_start")
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 8)) (then (unreachable)))
    (if (i32.ne (i32.load (i32.const 8)) (i32.const 1)) (then (unreachable)))        ;; one event
    (if (i64.ne (i64.load (i32.const 128)) (i64.const 42)) (then (unreachable)))     ;; with its userdata
    (if (i32.load16_u (i32.const 136)) (then (unreachable)))                         ;; and no error
    (drop (call $fd_write (i32.const 1) (i32.const 200) (i32.const 1) (i32.const 8)))))
