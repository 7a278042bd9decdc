;; Grows its two tables to 1000 elements together, which must go, then by one more each, which must not.
(module
  (memory (export "memory") 1)
  (table $functions 0 funcref)
  (table $objects 0 externref)
  (func (export "_start")
    (if (i32.ne (table.grow $functions (ref.null func) (i32.const 600)) (i32.const 0)) (then (unreachable)))
    (if (i32.ne (table.grow $objects (ref.null extern) (i32.const 400)) (i32.const 0)) (then (unreachable)))
    (if (i32.ne (table.grow $functions (ref.null func) (i32.const 1)) (i32.const -1)) (then (unreachable)))
    (if (i32.ne (table.grow $objects (ref.null extern) (i32.const 1)) (i32.const -1)) (then (unreachable)))))
