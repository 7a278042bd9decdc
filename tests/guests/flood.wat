;; Writes blocks of 64 KiB to the descriptor that standard input names, as many as its second byte says; 255 means without end.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\40\00\00\00\02\00\00\00")
  (data (i32.const 16) "\00\00\01\00\00\00\01\00")
  (func (export "_start") (local $left i32)
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (memory.fill (i32.const 65536) (i32.const 120) (i32.const 65536))
    (local.set $left (i32.load8_u (i32.const 65)))
    (loop $more
      (if (call $fd_write (i32.load8_u (i32.const 64)) (i32.const 16) (i32.const 1) (i32.const 8)) (then (unreachable)))
      (if (i32.ne (i32.load8_u (i32.const 65)) (i32.const 255)) (then (local.set $left (i32.sub (local.get $left) (i32.const 1)))))
      (br_if $more (local.get $left)))))
