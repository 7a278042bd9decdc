;; Asks for 16 MiB of random bytes in one go and writes "full" if the last of them are there.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 257)
  (data (i32.const 0) "\20\00\00\00\04\00\00\00")
  (data (i32.const 32) "full")
  (func (export "_start")
    (if (call $random (i32.const 65536) (i32.const 16777216)) (then (unreachable)))
    (if (i64.eqz (i64.load (i32.const 16842744))) (then (unreachable)))
    (if (i64.eqz (i64.load (i32.const 65536))) (then (unreachable)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
