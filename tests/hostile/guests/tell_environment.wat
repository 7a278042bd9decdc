;; Writes its arguments and its environment to standard output, each with its NUL.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 32)
  (data (i32.const 16) "\00\00\10\00")    ;; text begins at 1 MiB
  (func $write
    (i32.store (i32.const 20) (i32.load (i32.const 4)))
    (if (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8)) (then unreachable)))
  (func (export "_start")
    (if (call $args_sizes (i32.const 0) (i32.const 4)) (then unreachable))
    (if (call $args (i32.const 4096) (i32.const 1048576)) (then unreachable))
    (call $write)
    (if (call $environ_sizes (i32.const 0) (i32.const 4)) (then unreachable))
    (if (call $environ (i32.const 4096) (i32.const 1048576)) (then unreachable))
    (call $write)))
