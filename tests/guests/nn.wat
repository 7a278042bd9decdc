;; Uses wasi-nn as the first byte of standard input says. Traps on a wrong answer; exits with the error where one is expected.
;;   0  loads "echo", computes and writes the 16 bytes of the output
;;   1  loads "secret" and exits with the error
;;   2  asks for contexts without end
;;   3  offers hostile pointers, handles and tensors, then writes "fine"
;;   4  computes without end
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_ephemeral_nn" "load" (func $load (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_ephemeral_nn" "load_by_name" (func $load_by_name (param i32 i32 i32) (result i32)))
  (import "wasi_ephemeral_nn" "init_execution_context" (func $init (param i32 i32) (result i32)))
  (import "wasi_ephemeral_nn" "set_input" (func $set_input (param i32 i32 i32) (result i32)))
  (import "wasi_ephemeral_nn" "compute" (func $compute (param i32) (result i32)))
  (import "wasi_ephemeral_nn" "get_output" (func $get_output (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\01\00\00\01\00\00\00")                 ;; the input: one byte at 256
  (data (i32.const 16) "echo")
  (data (i32.const 32) "secret")
  (data (i32.const 48) "fine")
  (data (i32.const 64) "\04\00\00\00")                            ;; dims: [4]
  (data (i32.const 80) "\40\00\00\00\01\00\00\00\01\aa\bb\cc\80\00\00\00\10\00\00\00")  ;; f32, padding not zero, 16 bytes at 128
  (data (i32.const 128) "\00\00\80\3f\00\00\00\40\00\00\40\40\00\00\80\40")             ;; 1 2 3 4
  (data (i32.const 192) "\00\02\00\00\10\00\00\00")               ;; the output: 16 bytes at 512
  (data (i32.const 208) "\30\00\00\00\04\00\00\00")

  (global $graph (mut i32) (i32.const 0))
  (global $context (mut i32) (i32.const 0))
  (func $is (param $got i32) (param $wanted i32)
    (if (i32.ne (local.get $got) (local.get $wanted)) (then (unreachable))))

  (func $open
    (call $is (call $load_by_name (i32.const 16) (i32.const 4) (i32.const 1024)) (i32.const 0))
    (global.set $graph (i32.load (i32.const 1024)))
    (call $is (call $init (global.get $graph) (i32.const 1028)) (i32.const 0))
    (global.set $context (i32.load (i32.const 1028))))

  (func $use
    (call $open)
    (call $is (call $set_input (global.get $context) (i32.const 0) (i32.const 80)) (i32.const 0))
    (call $is (call $compute (global.get $context)) (i32.const 0))
    (call $is (call $get_output (global.get $context) (i32.const 0) (i32.const 512) (i32.const 16) (i32.const 1032)) (i32.const 0))
    (call $is (i32.load (i32.const 1032)) (i32.const 16))
    (drop (call $fd_write (i32.const 1) (i32.const 192) (i32.const 1) (i32.const 1036))))

  ;; 1 invalid_argument, 6 unsupported_operation, 7 too_large
  (func $hostile
    (call $is (call $load (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const -1)) (i32.const 6))
    (call $is (call $load_by_name (i32.const 65534) (i32.const 4) (i32.const 1024)) (i32.const 1))
    (call $is (call $load_by_name (i32.const 16) (i32.const -1) (i32.const 1024)) (i32.const 1))
    (call $is (call $load_by_name (i32.const 16) (i32.const 4) (i32.const -2)) (i32.const 1))
    (call $is (call $init (i32.const 99) (i32.const 1024)) (i32.const 1))
    (call $is (call $init (i32.const -1) (i32.const 1024)) (i32.const 1))
    (call $open)
    (call $is (call $init (global.get $graph) (i32.const 65535)) (i32.const 1))
    (call $is (call $set_input (i32.const 77) (i32.const 0) (i32.const 80)) (i32.const 1))
    (call $is (call $set_input (global.get $context) (i32.const 1) (i32.const 80)) (i32.const 1))
    (call $is (call $set_input (global.get $context) (i32.const -1) (i32.const 80)) (i32.const 1))
    (call $is (call $set_input (global.get $context) (i32.const 0) (i32.const 65530)) (i32.const 1))
    (call $is (call $set_input (global.get $context) (i32.const 0) (i32.const -1)) (i32.const 1))
    (call $is (call $compute (global.get $context)) (i32.const 1))                 ;; no input is set
    (call $is (call $compute (i32.const -1)) (i32.const 1))
    (call $is (call $get_output (global.get $context) (i32.const 0) (i32.const 512) (i32.const 16) (i32.const 1032)) (i32.const 1))
    (i32.store (i32.const 84) (i32.const -1))                                      ;; rank
    (call $is (call $set_input (global.get $context) (i32.const 0) (i32.const 80)) (i32.const 1))
    (i32.store (i32.const 84) (i32.const 1))
    (i32.store (i32.const 92) (i32.const 65532))                                   ;; data beyond the end
    (call $is (call $set_input (global.get $context) (i32.const 0) (i32.const 80)) (i32.const 1))
    (i32.store (i32.const 92) (i32.const 128))
    (i32.store (i32.const 64) (i32.const 0x40000001))                              ;; 4 * that is 4 in 32 bits
    (call $is (call $set_input (global.get $context) (i32.const 0) (i32.const 80)) (i32.const 1))
    (i32.store (i32.const 64) (i32.const 4))
    (call $is (call $set_input (global.get $context) (i32.const 0) (i32.const 80)) (i32.const 0))
    (call $is (call $compute (global.get $context)) (i32.const 0))
    (call $is (call $get_output (global.get $context) (i32.const 0) (i32.const 512) (i32.const 15) (i32.const 1032)) (i32.const 7))
    (call $is (call $get_output (global.get $context) (i32.const 0) (i32.const 65530) (i32.const 16) (i32.const 1032)) (i32.const 1))
    (call $is (call $get_output (global.get $context) (i32.const 0) (i32.const 512) (i32.const -1) (i32.const -1)) (i32.const 1))
    (call $is (call $get_output (global.get $context) (i32.const 9) (i32.const 512) (i32.const 16) (i32.const 1032)) (i32.const 1))
    (drop (call $fd_write (i32.const 1) (i32.const 208) (i32.const 1) (i32.const 1036))))

  (func (export "_start") (local $what i32)
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $what (i32.load8_u (i32.const 256)))
    (if (i32.eq (local.get $what) (i32.const 0)) (then (call $use)))
    (if (i32.eq (local.get $what) (i32.const 1))
      (then (call $proc_exit (call $load_by_name (i32.const 32) (i32.const 6) (i32.const 1024)))))
    (if (i32.eq (local.get $what) (i32.const 2))
      (then (call $open) (loop $more (br_if $more (i32.eqz (call $init (global.get $graph) (i32.const 1028)))))))
    (if (i32.eq (local.get $what) (i32.const 3)) (then (call $hostile)))
    (if (i32.eq (local.get $what) (i32.const 4))
      (then
        (call $open)
        (call $is (call $set_input (global.get $context) (i32.const 0) (i32.const 80)) (i32.const 0))
        (loop $more (drop (call $compute (global.get $context))) (br $more))))))
