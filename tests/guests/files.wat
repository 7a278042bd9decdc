;; Does with files what its input says, and writes what came of it: records of eight bytes, each followed by its two texts,
;;   u8 what, u8 fd, u8 a, u8 b, u16 length, u16 length of the second text
;; answered by u32 error and u32 value each, and what was read behind that of 2.
;;   1 open the text, oflags a, to be written too if b: value is the descriptor    2 read from fd: value is the length
;;   3 write the text to fd    4 unlink    5 create a directory    6 rename to the second text below a    7 link, the same way
;;   8 make the second text a link to the first    9 renumber fd to a    10 close fd    11 open the text until that fails
;;   12 set the size of fd to a    13 size of the text's file    14 prestat of fd    15 remove a directory    16 wait 1 ms and for fd
;;   17 read from fd without end
(module
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $fd_filestat_set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $path_create_directory (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link" (func $path_link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $path_remove_directory (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $path_unlink_file (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 200) "\01")                                  ;; userdata of a clock,
  (data (i32.const 216) "\01\00\00\00\00\00\00\00\40\42\0f")   ;; the monotonic one, in 1 ms

  (global $value (mut i32) (i32.const 0))
  (func $vector (param $at i32) (param $length i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $length)))
  (func $write (param $fd i32) (param $at i32) (param $length i32) (result i32)
    (call $vector (local.get $at) (local.get $length))
    (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)))
  (func $read (param $fd i32) (param $at i32) (param $length i32) (result i32)
    (call $vector (local.get $at) (local.get $length))
    (i32.store (i32.const 24) (i32.const 0))
    (call $fd_read (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)))
  (func $open (param $fd i32) (param $flags i32) (param $write i32) (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 32) (i32.const 0))
    (call $path_open (local.get $fd) (i32.const 1) (local.get $at) (local.get $length) (local.get $flags)
      (select (i64.const 0x1fffffff) (i64.const 0x206002) (local.get $write)) (i64.const 0x1fffffff) (i32.const 0) (i32.const 32)))

  (func $do (param $what i32) (param $fd i32) (param $a i32) (param $b i32) (param $at i32) (param $length i32) (param $at2 i32)
            (param $length2 i32) (result i32) (local $error i32)
    (global.set $value (i32.const 0))
    (if (i32.eq (local.get $what) (i32.const 1))
      (then
        (local.set $error (call $open (local.get $fd) (local.get $a) (local.get $b) (local.get $at) (local.get $length)))
        (global.set $value (i32.load (i32.const 32)))
        (return (local.get $error))))
    (if (i32.eq (local.get $what) (i32.const 2))
      (then
        (local.set $error (call $read (local.get $fd) (i32.const 131072) (i32.const 4096)))
        (global.set $value (i32.load (i32.const 24)))
        (return (local.get $error))))
    (if (i32.eq (local.get $what) (i32.const 3))
      (then (return (call $write (local.get $fd) (local.get $at) (local.get $length)))))
    (if (i32.eq (local.get $what) (i32.const 4))
      (then (return (call $path_unlink_file (local.get $fd) (local.get $at) (local.get $length)))))
    (if (i32.eq (local.get $what) (i32.const 5))
      (then (return (call $path_create_directory (local.get $fd) (local.get $at) (local.get $length)))))
    (if (i32.eq (local.get $what) (i32.const 6))
      (then (return (call $path_rename (local.get $fd) (local.get $at) (local.get $length) (local.get $a) (local.get $at2)
                      (local.get $length2)))))
    (if (i32.eq (local.get $what) (i32.const 7))
      (then (return (call $path_link (local.get $fd) (i32.const 0) (local.get $at) (local.get $length) (local.get $a)
                      (local.get $at2) (local.get $length2)))))
    (if (i32.eq (local.get $what) (i32.const 8))
      (then (return (call $path_symlink (local.get $at) (local.get $length) (local.get $fd) (local.get $at2) (local.get $length2)))))
    (if (i32.eq (local.get $what) (i32.const 9))
      (then (return (call $fd_renumber (local.get $fd) (local.get $a)))))
    (if (i32.eq (local.get $what) (i32.const 10))
      (then (return (call $fd_close (local.get $fd)))))
    (if (i32.eq (local.get $what) (i32.const 11))
      (then
        (loop $again
          (local.set $error (call $open (local.get $fd) (local.get $a) (local.get $b) (local.get $at) (local.get $length)))
          (if (i32.eqz (local.get $error))
            (then
              (global.set $value (i32.add (global.get $value) (i32.const 1)))
              (br $again))))
        (return (local.get $error))))
    (if (i32.eq (local.get $what) (i32.const 12))
      (then (return (call $fd_filestat_set_size (local.get $fd) (i64.extend_i32_u (local.get $a))))))
    (if (i32.eq (local.get $what) (i32.const 13))
      (then
        (local.set $error (call $path_filestat_get (local.get $fd) (i32.const 1) (local.get $at) (local.get $length) (i32.const 64)))
        (global.set $value (i32.load (i32.const 96)))
        (return (local.get $error))))
    (if (i32.eq (local.get $what) (i32.const 14))
      (then
        (local.set $error (call $fd_prestat_get (local.get $fd) (i32.const 40)))
        (global.set $value (i32.load (i32.const 44)))
        (return (local.get $error))))
    (if (i32.eq (local.get $what) (i32.const 15))
      (then (return (call $path_remove_directory (local.get $fd) (local.get $at) (local.get $length)))))
    (if (i32.eq (local.get $what) (i32.const 16))
      (then
        (local.set $error (call $poll_oneoff (i32.const 200) (i32.const 400) (i32.const 1) (i32.const 196)))
        (global.set $value (i32.load (i32.const 196)))
        (return (local.get $error))))
    (if (i32.eq (local.get $what) (i32.const 17))
      (then (loop $again (drop (call $read (local.get $fd) (i32.const 131072) (i32.const 4096))) (br $again))))
    (unreachable))

  (func (export "_start") (local $at i32) (local $end i32) (local $error i32)
    (local.set $at (i32.const 4096))
    (local.set $end (i32.const 4096))
    (loop $more                                       ;; the input may come in pieces
      (if (i32.ne (call $read (i32.const 0) (local.get $end) (i32.sub (i32.const 131072) (local.get $end))) (i32.const 0))
        (then (unreachable)))
      (local.set $end (i32.add (local.get $end) (i32.load (i32.const 24))))
      (br_if $more (i32.load (i32.const 24))))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $error
            (call $do (i32.load8_u (local.get $at)) (i32.load8_u offset=1 (local.get $at)) (i32.load8_u offset=2 (local.get $at))
              (i32.load8_u offset=3 (local.get $at)) (i32.add (local.get $at) (i32.const 8)) (i32.load16_u offset=4 (local.get $at))
              (i32.add (i32.add (local.get $at) (i32.const 8)) (i32.load16_u offset=4 (local.get $at)))
              (i32.load16_u offset=6 (local.get $at))))
          (i32.store (i32.const 48) (local.get $error))
          (i32.store (i32.const 52) (global.get $value))
          (if (call $write (i32.const 1) (i32.const 48) (i32.const 8)) (then (unreachable)))
          (if (i32.and (i32.eq (i32.load8_u (local.get $at)) (i32.const 2)) (i32.gt_u (global.get $value) (i32.const 0)))
            (then (if (call $write (i32.const 1) (i32.const 131072) (global.get $value)) (then (unreachable)))))
          (local.set $at (i32.add (i32.add (i32.add (local.get $at) (i32.const 8)) (i32.load16_u offset=4 (local.get $at)))
                                  (i32.load16_u offset=6 (local.get $at))))
          (br $next))))))
