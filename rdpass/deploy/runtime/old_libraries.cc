// Lets code that is compiled with a new libstdc++ run on boards with older ones, back to those that TVM's libraries ask
// for (GCC 7). Two symbols would ask for newer ones:
//
// 1. std::__throw_bad_array_new_length came with GCC 11, called by every std::vector compiled with that or later.
// 2. The constructor of std::ostringstream without arguments came with GCC 9.
#include <new>
#include <sstream>

extern "C" {
void MakeStream(void* place) __asm__("_ZNSt7__cxx1119basic_ostringstreamIcSt11char_traitsIcESaIcEEC1Ev");
void MakeStream(void* place) { new (place) std::ostringstream(std::ios_base::out); }
}

namespace std {
void __throw_bad_array_new_length() { throw bad_array_new_length(); }
}  // namespace std
