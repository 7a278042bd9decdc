;; Writes its input, then its environment as it gets it: NAME=value, each with a NUL behind it. Traps on a wrong answer.
(module
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)

  (func $is (param $got i32) (param $wanted i32)
    (if (i32.ne (local.get $got) (local.get $wanted)) (then (unreachable))))
  (func $vector (param $at i32) (param $length i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $length)))
  (func $write (param $at i32) (param $length i32)
    (call $vector (local.get $at) (local.get $length))
    (call $is (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)) (i32.const 0)))

  (func (export "_start") (local $count i32) (local $size i32)
    (call $vector (i32.const 4096) (i32.const 61440))
    (call $is (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)) (i32.const 0))
    (call $write (i32.const 4096) (i32.load (i32.const 24)))
    (call $is (call $environ_sizes_get (i32.const 0) (i32.const 4)) (i32.const 0))
    (local.set $count (i32.load (i32.const 0)))
    (local.set $size (i32.load (i32.const 4)))
    (call $is (call $environ_sizes_get (i32.const -1) (i32.const 4)) (i32.const 21))
    (call $is (call $environ_sizes_get (i32.const 0) (i32.const 262142)) (i32.const 21))
    (if (local.get $count)
      (then
        (call $is (call $environ_get (i32.const -4) (i32.const 65536)) (i32.const 21))
        (call $is (call $environ_get (i32.const 1024) (i32.const -1)) (i32.const 21))
        (call $is (call $environ_get (i32.const 1024) (i32.const 262143)) (i32.const 21))))
    (call $is (call $environ_get (i32.const 1024) (i32.const 65536)) (i32.const 0))
    (if (local.get $count)   ;; the first begins where the text does, and the last ends before its end
      (then
        (call $is (i32.load (i32.const 1024)) (i32.const 65536))
        (if (i32.ge_u (i32.load (i32.add (i32.const 1020) (i32.shl (local.get $count) (i32.const 2))))
                      (i32.add (i32.const 65536) (local.get $size)))
          (then (unreachable)))))
    (call $write (i32.const 65536) (local.get $size))))
