"""Machine code for loops of a few nanoseconds: Python says which instructions there are, and LLVM compiles them.

    def add(code, x, y, n):
        with code.each(n) as i:
            x[i] += 2.0 * y[i]

    compiled(add, to("float64"), to("float64"), INTEGER)      a function that Python calls, without the interpreter's lock

The function is run once, with a `Number` or a `Pointer` for each argument: an operation on them writes an instruction. So
formulas are compiled by being called, what is known beforehand (a size, a rule) is a plain `if` or a constant, and nothing
but that is compiled: a tenth of a second for some hundred instructions. Whoever calls the code keeps its arrays alive.

Sums may be taken in any order (reassoc, contract), which lets them use the whole width of the machine; infinities and NaN
keep their meaning. Integers are not negative where they are divided.
"""
