// The program of a bundle.
#include <cstdlib>

#include "command_line.h"

// Ends without joining TVM's threads: an idle one gives its turn away 300 000 times before it sees that it is to stop,
// which took minutes on a machine with much else to do. By now everything is written and flushed.
int main(int argc, char** argv) {
  std::_Exit(rdpass::Main(argc, argv, rdpass::description(), rdpass::LoadNetwork));
}
