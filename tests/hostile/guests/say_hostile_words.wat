;; Says what might deceive a reader of the log, on standard error, and exits with the first byte of standard input.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\40\00\00\00\01\00\00\00")
  (data (i32.const 16) "\00\01\00\00\a0\00\00\00")    ;; 160 bytes at 256; what is not said below is NUL
  (data (i32.const 256) "\1b[2J\1b]0;title\07\0d\0a{\22level\22:\22error\22,\22message\22:\22forged by a guest\22}\0a\ff\fe\c0\af\ed\a0\80\08\08\7f\0d12:00:00.000 error forged\0b\0c\c2\9b31m\e2\80\a8\e2\80\ae")
  (func (export "_start")
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 8)))
    (call $proc_exit (i32.load8_u (i32.const 64)))))
