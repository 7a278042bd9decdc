;; Traps if it finds anything of an earlier call in its memory, beyond its first memory, in its globals, its table or a local that it
;; never set. Then leaves something in all of them, says "clean", and ends as the first byte of standard input says:
;;   0 returns  1 traps  2 loops  3 exits with 3  4 grows until that is refused, and traps  5 writes without end  6 recurses
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 16)
  (global $small (mut i32) (i32.const 0))
  (global $large (mut i64) (i64.const 0))
  (global $vector (mut v128) (v128.const i64x2 0 0))
  (global $ref (mut externref) (ref.null extern))
  (table $t 64 funcref)
  (elem declare func $look)
  (data (i32.const 0) "\40\00\00\00\01\00\00\00")     ;; where to read to
  (data (i32.const 16) "\20\00\00\00\05\00\00\00")    ;; what to write
  (data (i32.const 32) "clean")
  (data $passive "passive")

  (func $look (local $at i32) (local $unset i64) (local $unset_vector v128)
    (if (i64.ne (local.get $unset) (i64.const 0)) (then unreachable))
    (if (v128.any_true (local.get $unset_vector)) (then unreachable))
    (if (global.get $small) (then unreachable))
    (if (i64.ne (global.get $large) (i64.const 0)) (then unreachable))
    (if (v128.any_true (global.get $vector)) (then unreachable))
    (if (i32.ne (memory.size) (i32.const 16)) (then unreachable))
    (if (i32.ne (table.size $t) (i32.const 64)) (then unreachable))
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $t (local.get $at)))) (then unreachable))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 64))))
    (local.set $at (i32.const 128))
    (loop $next
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 1048576))))
    (memory.init $passive (i32.const 128) (i32.const 0) (i32.const 7))
    (data.drop $passive)
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
    (loop $next
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 2097152)))))

  (func $leave
    (global.set $small (i32.const 7))
    (global.set $large (i64.const -1))
    (global.set $vector (v128.const i64x2 -1 -1))
    (table.fill $t (i32.const 0) (ref.func $look) (i32.const 64))
    (drop (table.grow $t (ref.func $look) (i32.const 1000)))
    (memory.fill (i32.const 128) (i32.const 0xaa) (i32.const 2097024)))

  (func $recurse (param i64) (result i64)
    (i64.add (call $recurse (i64.add (local.get 0) (i64.const 0x5a5a5a5a))) (local.get 0)))

  (func (export "_start") (local $how i32)
    (call $look)
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $how (i32.load8_u (i32.const 64)))
    (call $leave)
    (if (i32.eqz (local.get $how)) (then (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8))) (return)))
    (if (i32.eq (local.get $how) (i32.const 1)) (then unreachable))
    (if (i32.eq (local.get $how) (i32.const 2)) (then (loop $again (br $again))))
    (if (i32.eq (local.get $how) (i32.const 3)) (then (call $proc_exit (i32.const 3))))
    (if (i32.eq (local.get $how) (i32.const 4))
      (then (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable))
    (if (i32.eq (local.get $how) (i32.const 5))
      (then (loop $again (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8))) (br $again))))
    (if (i32.eq (local.get $how) (i32.const 6)) (then (drop (call $recurse (i64.const 0)))))))
