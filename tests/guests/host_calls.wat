;; Calls host functions without end; which, the first byte of standard input says.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\40\00\00\00\01\00\00\00")
  (func (export "_start") (local $which i32)
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $which (i32.load8_u (i32.const 64)))
    (loop $again
      (if (i32.eq (local.get $which) (i32.const 0)) (then (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 128)))))
      (if (i32.eq (local.get $which) (i32.const 1)) (then (drop (call $yield))))
      (if (i32.eq (local.get $which) (i32.const 2)) (then (drop (call $random (i32.const 65536) (i32.const 65536)))))
      (if (i32.eq (local.get $which) (i32.const 3)) (then (drop (call $path_open
        (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 128)))))
      (br $again))))
