;; Grows its memory page by page until that is denied, then does what standard input says: nothing to read: traps,
;; else exits with the first byte. Every second attempt is one that the type forbids, which must not confuse the books.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\40\00\00\00\01\00\00\00")
  (func (export "_start")
    (loop $more
      (if (i32.ne (memory.grow (i32.const 65536)) (i32.const -1)) (then (return)))
      (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (i32.eqz (i32.load (i32.const 8))) (then (unreachable)))
    (call $proc_exit (i32.load8_u (i32.const 64)))))
