// Lets a program that is linked against a new glibc start on boards with older ones, back to those that TVM's libraries
// ask for (glibc 2.27): __libc_start_main got a new version in glibc 2.34, when running a program's constructors became
// its task. The first version, which every glibc has, is called instead, and told to run them. Linked with --wrap.
#if defined(__aarch64__)
#define FIRST_GLIBC "GLIBC_2.17"
#elif defined(__x86_64__)
#define FIRST_GLIBC "GLIBC_2.2.5"
#endif

extern "C" {

using Main = int (*)(int, char**, char**);
using Constructor = void (*)(int, char**, char**);

__asm__(".symver FirstStart, __libc_start_main@" FIRST_GLIBC);
int FirstStart(Main, int, char**, Constructor, void (*)(), void (*)(), void*);

extern Constructor __init_array_start[], __init_array_end[];

static void RunConstructors(int argc, char** argv, char** environment) {
  for (Constructor* call = __init_array_start; call != __init_array_end; ++call) (*call)(argc, argv, environment);
}

int __wrap___libc_start_main(Main main, int argc, char** argv, Constructor, void (*)(), void (*at_exit)(),
                             void* stack_end) {
  return FirstStart(main, argc, argv, RunConstructors, nullptr, at_exit, stack_end);
}

}  // extern "C"
