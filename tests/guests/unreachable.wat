(module
  (memory (export "memory") 1)
  (func $named_in_the_log (unreachable))
  (func (export "_start") (call $named_in_the_log)))
