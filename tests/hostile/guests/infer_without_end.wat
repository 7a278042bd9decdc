;; Computes with the model "echo" without end.
(module
  (import "wasi_ephemeral_nn" "load_by_name" (func $load_by_name (param i32 i32 i32) (result i32)))
  (import "wasi_ephemeral_nn" "init_execution_context" (func $init (param i32 i32) (result i32)))
  (import "wasi_ephemeral_nn" "set_input" (func $set_input (param i32 i32 i32) (result i32)))
  (import "wasi_ephemeral_nn" "compute" (func $compute (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "echo")
  (data (i32.const 64) "\04\00\00\00")                                                  ;; dims: [4]
  (data (i32.const 80) "\40\00\00\00\01\00\00\00\01\00\00\00\80\00\00\00\10\00\00\00")  ;; f32, 16 bytes at 128
  (func (export "_start")
    (if (call $load_by_name (i32.const 16) (i32.const 4) (i32.const 1024)) (then unreachable))
    (if (call $init (i32.load (i32.const 1024)) (i32.const 1028)) (then unreachable))
    (if (call $set_input (i32.load (i32.const 1028)) (i32.const 0) (i32.const 80)) (then unreachable))
    (loop $again
      (if (call $compute (i32.load (i32.const 1028))) (then unreachable))
      (br $again))))
