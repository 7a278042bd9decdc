;; Enters an event in the ledger: its data is a line in the file of its CE_ID under /done, one line for each time that it gets there. The first
;; time that data with [ in front comes, it leaves a file of that name under /slow and waits a minute before it goes on.
(module
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 8)
  (data (i32.const 80) "\01")                              ;; a subscription at 64: the monotonic clock,
  (data (i32.const 88) "\00\58\47\f8\0d\00\00\00")         ;; in 60 s

  ;; Returns where the value of CE_ID begins, 0 when there is none.
  (func $id (param $at i32) (param $end i32) (result i32)
    (loop $next
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 0))))
      (if (i32.and
            (i32.and (i32.eqz (i32.load8_u (i32.sub (local.get $at) (i32.const 1)))) (i32.eq (i32.load (local.get $at)) (i32.const 0x495f4543)))
            (i32.eq (i32.load16_u offset=4 (local.get $at)) (i32.const 0x3d44)))
        (then (return (i32.add (local.get $at) (i32.const 6)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next))
    (unreachable))
  ;; Opens the file of that name under a folder, to be written to; the descriptor is at 32. Returns the error.
  (func $open (param $folder i32) (param $at i32) (param $length i32) (param $open i32) (param $append i32) (result i32)
    (call $path_open (local.get $folder) (i32.const 0) (local.get $at) (local.get $length) (local.get $open) (i64.const 0x40)
      (i64.const 0) (local.get $append) (i32.const 32)))

  (func (export "_start") (local $length i32) (local $id i32) (local $id_length i32) (local $error i32)
    (i32.store (i32.const 0) (i32.const 65536))
    (i32.store (i32.const 4) (i32.const 65535))
    (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
    (local.set $length (i32.load (i32.const 8)))
    (i32.store8 (i32.add (i32.const 65536) (local.get $length)) (i32.const 10))

    (if (call $environ_sizes_get (i32.const 16) (i32.const 20)) (then (unreachable)))
    (if (call $environ_get (i32.const 327680) (i32.const 393216)) (then (unreachable)))
    (local.set $id (call $id (i32.const 393216) (i32.add (i32.const 393216) (i32.load (i32.const 20)))))
    (if (i32.eqz (local.get $id)) (then (unreachable)))
    (block $ended
      (loop $next
        (br_if $ended (i32.eqz (i32.load8_u (i32.add (local.get $id) (local.get $id_length)))))
        (local.set $id_length (i32.add (local.get $id_length) (i32.const 1)))
        (br $next)))

    (if (i32.eq (i32.load8_u (i32.const 65536)) (i32.const 0x5b))
      (then
        (local.set $error (call $open (i32.const 4) (local.get $id) (local.get $id_length) (i32.const 5) (i32.const 0)))   ;; new, or not at all
        (if (i32.eqz (local.get $error))
          (then (if (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 8)) (then (unreachable)))))
        (if (i32.and (i32.ne (local.get $error) (i32.const 0)) (i32.ne (local.get $error) (i32.const 20))) (then (unreachable)))))

    (if (call $open (i32.const 3) (local.get $id) (local.get $id_length) (i32.const 1) (i32.const 1)) (then (unreachable)))
    (i32.store (i32.const 4) (i32.add (local.get $length) (i32.const 1)))
    (if (call $fd_write (i32.load (i32.const 32)) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
    (if (i32.ne (i32.load (i32.const 8)) (i32.add (local.get $length) (i32.const 1))) (then (unreachable)))))
