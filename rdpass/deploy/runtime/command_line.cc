// 1. What is asked for is understood, and a CPU that lacks a feature refused, before anything of the network is loaded.
// 2. Inputs are read before it too: a bad file costs no time.
// 3. The network runs; outputs are written, compared, or thrown away.
#include "command_line.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "arguments.h"
#include "bench.h"
#include "bundle_files.h"
#include "comparison.h"
#include "cpu_features.h"
#include "failure.h"
#include "image.h"
#include "image_file.h"
#include "new_file.h"
#include "npy.h"
#include "report.h"

namespace rdpass {
namespace {

struct Loaded {
  std::unique_ptr<Network> network;
  double load_ms;
};

// Pointers to tensors as networks take them.
struct Operands {
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
};

std::vector<Tensor> ReadAll(const std::vector<std::string>& paths, const std::vector<TensorSpec>& specs) {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < specs.size(); ++i) tensors.push_back(ReadNpy(paths.at(i), specs[i]));
  return tensors;
}

// An image where the network takes one; else, and for golden numbers, .npy files.
std::vector<Tensor> ReadInputs(const std::vector<std::string>& paths, const Description& description) {
  if (!TakesImage(description) || !IsImage(paths.at(0))) return ReadAll(paths, description.inputs);
  std::vector<Tensor> tensors;
  tensors.push_back(InputOf(ReadImage(paths[0]), description));
  return tensors;
}

// The kernels' comparisons drop NaN where the operators of ONNX hand it on: the outputs would look like any others.
void CheckFinite(const std::vector<std::string>& paths, const std::vector<TensorSpec>& specs,
                 const std::vector<Tensor>& tensors) {
  for (size_t i = 0; i < specs.size(); ++i) {
    const size_t at = FirstNotFinite(specs[i], tensors[i].data());
    if (at == ElementCount(specs[i])) continue;
    throw Failure(kUsage, paths[i] + ": element " + std::to_string(at) +
                              " is not a number or infinite, and the outputs may not show it; --allow-nonfinite runs");
  }
}

std::vector<Tensor> MakeAll(const std::vector<TensorSpec>& specs) {
  std::vector<Tensor> tensors;
  for (const TensorSpec& spec : specs) tensors.emplace_back(spec);
  return tensors;
}

// Golden tensors, each of a file whose bytes have been checked.
std::vector<Tensor> ReadGolden(BundleFiles& files, const std::vector<std::string>& names,
                               const std::vector<TensorSpec>& specs) {
  std::vector<std::string> paths;
  for (const std::string& name : names) paths.push_back(files.Checked(name));
  return ReadAll(paths, specs);
}

Operands OperandsOf(const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
  Operands operands;
  for (const Tensor& tensor : inputs) operands.inputs.push_back(tensor.data());
  for (Tensor& tensor : outputs) operands.outputs.push_back(tensor.data());
  return operands;
}

Loaded LoadTimed(Loader load, BundleFiles& files, int threads) {
  const auto start = std::chrono::steady_clock::now();
  std::unique_ptr<Network> network = load(files, threads);
  const std::chrono::duration<double, std::milli> elapsed = std::chrono::steady_clock::now() - start;
  return {std::move(network), elapsed.count()};
}

// None is in its place before all are on the disk.
void WriteAll(const std::vector<std::string>& places, const std::vector<TensorSpec>& specs,
              const std::vector<Tensor>& tensors, bool force) {
  std::vector<NewFile> files;
  for (size_t i = 0; i < places.size(); ++i) {
    files.emplace_back(places[i], force);
    WriteNpy(files.back(), specs[i], tensors[i]);
    files.back().Sync();
  }
  for (NewFile& file : files) file.Keep();
}

int RunOnce(const Arguments& arguments, const Description& description, Loader load) {
  const auto middle = arguments.files.begin() + static_cast<std::ptrdiff_t>(description.inputs.size());
  const std::vector<std::string> given(arguments.files.begin(), middle), places(middle, arguments.files.end());
  CheckPlaces(places, given, BundleFolder(), arguments.force);
  const std::vector<Tensor> inputs = ReadInputs(given, description);
  if (!arguments.allow_nonfinite) CheckFinite(given, description.inputs, inputs);
  std::vector<Tensor> outputs = MakeAll(description.outputs);
  const Operands operands = OperandsOf(inputs, outputs);
  BundleFiles files(BundleFolder(), description.files);
  load(files, arguments.threads)->Run(operands.inputs.data(), operands.outputs.data());
  WriteAll(places, description.outputs, outputs, arguments.force);
  return kDone;
}

int Classify(const Arguments& arguments, const Description& description, Loader load) {
  const std::vector<Tensor> inputs = ReadInputs(arguments.files, description);
  std::vector<Tensor> outputs = MakeAll(description.outputs);
  const Operands operands = OperandsOf(inputs, outputs);
  BundleFiles files(BundleFolder(), description.files);
  load(files, arguments.threads)->Run(operands.inputs.data(), operands.outputs.data());
  std::fputs(ClassesText(description, outputs.at(0)).c_str(), stdout);
  return kDone;
}

int Verify(const Arguments& arguments, const Description& description, Loader load) {
  BundleFiles files(BundleFolder(), description.files);
  const std::vector<Tensor> inputs = ReadGolden(files, description.golden_inputs, description.inputs);
  const std::vector<Tensor> expected = ReadGolden(files, description.golden_outputs, description.outputs);
  std::vector<Tensor> outputs = MakeAll(description.outputs);
  const Operands operands = OperandsOf(inputs, outputs);
  load(files, arguments.threads)->Run(operands.inputs.data(), operands.outputs.data());
  bool ok = true;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorSpec& spec = description.outputs[i];
    const double error = RelativeError(spec, outputs[i], expected[i]);
    ok = ok && error <= description.tolerance;
    std::printf("%s: max relative error %.2e (tolerance %.0e)\n", Printable(spec.name).c_str(), error, description.tolerance);
  }
  if (!ok) throw Failure(kParity, "the output is not the golden one");
  return kDone;
}

int Bench(const Arguments& arguments, const Description& description, Loader load) {
  BundleFiles files(BundleFolder(), description.files);
  const std::vector<Tensor> inputs = ReadGolden(files, description.golden_inputs, description.inputs);
  std::vector<Tensor> outputs = MakeAll(description.outputs);
  const Operands operands = OperandsOf(inputs, outputs);
  const Loaded loaded = LoadTimed(load, files, arguments.threads);
  const Times times = Measure(*loaded.network, operands.inputs.data(), operands.outputs.data(), arguments.runs);
  std::fputs(BenchText(description, times, arguments.threads, loaded.load_ms).c_str(), stdout);
  return kDone;
}

int Profile(const Arguments& arguments, const Description& description, Loader load) {
  BundleFiles files(BundleFolder(), description.files);
  const std::vector<Tensor> inputs = ReadGolden(files, description.golden_inputs, description.inputs);
  std::vector<Tensor> outputs = MakeAll(description.outputs), timed = MakeAll(description.outputs);
  const Operands operands = OperandsOf(inputs, outputs), again = OperandsOf(inputs, timed);
  const Loaded loaded = LoadTimed(load, files, arguments.threads);
  const Times times = Measure(*loaded.network, operands.inputs.data(), operands.outputs.data(), arguments.runs);
  const LayerTimes layers = MeasureLayers(*loaded.network, again.inputs.data(), again.outputs.data(), arguments.runs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (std::memcmp(outputs[i].data(), timed[i].data(), outputs[i].bytes()) != 0) {
      throw Failure(kFailed, "under timers the network gave another output '" + description.outputs[i].name + "'");
    }
  }
  std::fputs(ProfileText(description, times, layers, arguments.threads, loaded.load_ms).c_str(), stdout);
  return kDone;
}

int Dispatch(const Arguments& arguments, const Description& description, Loader load) {
  if (arguments.mode == Mode::kHelp) return std::puts(Usage(description).c_str()) < 0;
  if (arguments.mode == Mode::kInfo) return std::fputs(InfoText(description).c_str(), stdout) < 0;
  CheckCpu(description);
  if (arguments.mode == Mode::kVerify) return Verify(arguments, description, load);
  if (arguments.mode == Mode::kBench) return Bench(arguments, description, load);
  if (arguments.mode == Mode::kProfile) return Profile(arguments, description, load);
  if (arguments.mode == Mode::kClassify) return Classify(arguments, description, load);
  return RunOnce(arguments, description, load);
}

int Report(const char* message, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "run: %s\n", Printable(message).c_str());
  return code;
}

}  // namespace

int Main(int argc, char** argv, const Description& description, Loader load) {
  try {
    const int code = Dispatch(ParseArguments(argc, argv, description), description, load);
    if (std::fflush(stdout) != 0) throw Failure(kFailed, "stdout can't be written");
    return code;
  } catch (const Failure& failure) {
    return Report(failure.what(), failure.code);
  } catch (const std::bad_alloc&) {
    return Report("out of memory", kFailed);
  } catch (const std::exception& error) {
    return Report(error.what(), kFailed);
  }
}

}  // namespace rdpass
