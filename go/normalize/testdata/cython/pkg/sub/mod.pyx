# cython: language_level=3
# Functions of every kind that Cython names, for the recipe `make-pairs`. Each
# body calls here() with a number of its own; the comment behind is the dotted
# name that the function has in this source. A generator's and a lambda's name
# is not in its symbol, which the comment says by <generator> and <lambda>.
cimport cython
from cython cimport floating

cdef extern from *:
    """
    static int here(int n) { return n; }
    """
    int here(int n)

def first(x): return here(1001)                       # pkg.sub.mod.first
def second_(x): return here(1002)                     # pkg.sub.mod.second_
def ab_x(x): return here(1003)                        # pkg.sub.mod.ab_x
def f_5Class_y(x): return here(1004)                  # pkg.sub.mod.f_5Class_y
cdef int helper_read(int x) noexcept: return here(1005)   # pkg.sub.mod.helper_read
cpdef int both(int x): return here(1006)              # pkg.sub.mod.both

cdef class Class:
    def __cinit__(self, v): here(1007)                # pkg.sub.mod.Class.__cinit__
    def __init__(self, v): here(1008)                 # pkg.sub.mod.Class.__init__
    def __dealloc__(self): here(1009)                 # pkg.sub.mod.Class.__dealloc__
    def method(self): return here(1010)               # pkg.sub.mod.Class.method
    def method_2(self): return here(1011)             # pkg.sub.mod.Class.method_2
    cdef int cmethod(self): return here(1012)         # pkg.sub.mod.Class.cmethod
    cpdef int cpmethod(self): return here(1013)       # pkg.sub.mod.Class.cpmethod
    @property
    def prop(self): return here(1014)                 # pkg.sub.mod.Class.prop.__get__
    @prop.setter
    def prop(self, v): here(1015)                     # pkg.sub.mod.Class.prop.__set__
    @staticmethod
    def smeth(x): return here(1016)                   # pkg.sub.mod.Class.smeth
    @staticmethod
    cdef int scdef(int x): return here(1017)          # pkg.sub.mod.Class.scdef
    @classmethod
    def cmeth(cls): return here(1018)                 # pkg.sub.mod.Class.cmeth
    def __getitem__(self, i): return here(1019)       # pkg.sub.mod.Class.__getitem__
    def __add__(self, o): return here(1020)           # pkg.sub.mod.Class.__add__
    def gen(self):
        here(1021)                                    # pkg.sub.mod.Class.<generator>
        yield 1
    def after_generator(self): return here(1022)      # pkg.sub.mod.Class.after_generator

cdef class ab:
    def x(self): return here(1023)                    # pkg.sub.mod.ab.x
    def y(self): return here(1024)                    # pkg.sub.mod.ab.y

class PyClass:
    def pmethod(self): return here(1025)              # pkg.sub.mod.PyClass.pmethod
    @property
    def pprop(self): return here(1026)                # pkg.sub.mod.PyClass.pprop

def outer(a):
    def inner(b): return here(1027)                   # pkg.sub.mod.outer.inner
    def deep():
        def deeper(): return here(1028) + a           # pkg.sub.mod.outer.deep.deeper
        return deeper
    lam = lambda z: here(1029)                        # pkg.sub.mod.outer.<lambda>
    here(1030)                                        # pkg.sub.mod.outer
    return inner, deep, lam

def gen(n):
    here(1031)                                        # pkg.sub.mod.<generator>
    yield n
async def coro(n):
    here(1032)                                        # pkg.sub.mod.<generator>
    return n
def uses_genexpr(n): return sum(here(1033) for i in range(n))   # pkg.sub.mod.uses_genexpr.<generator>

cdef floating fused_c(floating x):
    here(1034)                                        # pkg.sub.mod.fused_c
    return x
def fused_def(floating x):
    here(1035)                                        # pkg.sub.mod.fused_def
    return fused_c(x)

def __private_name(x): return here(1036)              # pkg.sub.mod.__private_name
def _under(x): return here(1037)                      # pkg.sub.mod._under
cdef inline int inl(int x): return here(1038)         # pkg.sub.mod.inl
mlam = lambda q: here(1039)                           # pkg.sub.mod.<lambda>
def go_read(x): return here(1040)                     # pkg.sub.mod.go_read
def a_b_c_d(x): return here(1041)                     # pkg.sub.mod.a_b_c_d
cdef class _3D:
    def run(self): return here(1042)                  # pkg.sub.mod._3D.run
    def read_3(self): return here(1043)               # pkg.sub.mod._3D.read_3
def use_inl(x): return inl(x) + helper_read(x)
here(1044)                                            # mod.<module>
def naïve(x): return here(1045)                       # pkg.sub.mod.naïve
