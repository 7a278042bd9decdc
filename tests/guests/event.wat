;; Tells on standard error what it was given: "data " and its input in hexadecimal, then a line for each variable. Then it ends as the
;; first byte of its input says: b: exit 65, f: exit 1, t: trap, s: never; else well, with its input on standard output.
(module
  (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 8)
  (data (i32.const 32) "0123456789abcdef")
  (data (i32.const 131067) "data ")   ;; in front of the digits at 131072; the input is at 65536, variables at 393216

  (func $write (param $descriptor i32) (param $at i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (if (call $fd_write (local.get $descriptor) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable))))
  (func $digit (param $at i32) (param $value i32)
    (i32.store8 (local.get $at) (i32.load8_u (i32.add (i32.const 32) (local.get $value)))))

  (func (export "_start") (local $length i32) (local $i i32) (local $byte i32) (local $at i32)
    (i32.store (i32.const 0) (i32.const 65536))
    (i32.store (i32.const 4) (i32.const 65536))
    (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
    (local.set $length (i32.load (i32.const 8)))
    (local.set $at (i32.const 131072))
    (block $told
      (loop $next
        (br_if $told (i32.ge_u (local.get $i) (local.get $length)))
        (local.set $byte (i32.load8_u (i32.add (i32.const 65536) (local.get $i))))
        (call $digit (local.get $at) (i32.shr_u (local.get $byte) (i32.const 4)))
        (call $digit (i32.add (local.get $at) (i32.const 1)) (i32.and (local.get $byte) (i32.const 15)))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (i32.store8 (local.get $at) (i32.const 10))
    (call $write (i32.const 2) (i32.const 131067) (i32.sub (local.get $at) (i32.const 131066)))

    (if (call $environ_sizes_get (i32.const 16) (i32.const 20)) (then (unreachable)))
    (if (call $environ_get (i32.const 327680) (i32.const 393216)) (then (unreachable)))
    (local.set $i (i32.const 0))
    (block $told
      (loop $next   ;; a line end in the place of each NUL
        (br_if $told (i32.ge_u (local.get $i) (i32.load (i32.const 20))))
        (local.set $at (i32.add (i32.const 393216) (local.get $i)))
        (if (i32.eqz (i32.load8_u (local.get $at))) (then (i32.store8 (local.get $at) (i32.const 10))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (call $write (i32.const 2) (i32.const 393216) (i32.load (i32.const 20)))

    (local.set $byte (i32.load8_u (i32.const 65536)))
    (if (i32.eq (local.get $byte) (i32.const 98)) (then (call $proc_exit (i32.const 65))))
    (if (i32.eq (local.get $byte) (i32.const 102)) (then (call $proc_exit (i32.const 1))))
    (if (i32.eq (local.get $byte) (i32.const 116)) (then (unreachable)))
    (if (i32.eq (local.get $byte) (i32.const 115)) (then (loop $ever (br $ever))))
    (call $write (i32.const 1) (i32.const 65536) (local.get $length))))
