;; Opens the path that standard input names below its first directory, 500 times, and writes what it could read of it.
(module
  (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $vector (param $at i32) (param $length i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $length)))
  (func (export "_start") (local $left i32) (local $length i32)
    (call $vector (i32.const 1024) (i32.const 1024))
    (if (call $read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))
    (local.set $length (i32.load (i32.const 24)))
    (local.set $left (i32.const 500))
    (loop $again
      (if (i32.eqz (call $open (i32.const 3) (i32.const 1) (i32.const 1024) (local.get $length) (i32.const 0) (i64.const 2) (i64.const 2)
                     (i32.const 0) (i32.const 32)))
        (then
          (call $vector (i32.const 4096) (i32.const 64))
          (if (i32.eqz (call $read (i32.load (i32.const 32)) (i32.const 16) (i32.const 1) (i32.const 24)))
            (then
              (call $vector (i32.const 4096) (i32.load (i32.const 24)))
              (if (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)) (then unreachable))))
          (drop (call $close (i32.load (i32.const 32))))))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
