// The measurements of `hearth doctor`, made one after the other.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/model_flags.h"
#include "app/predict.h"
#include "os/machine_info.h"
#include "os/storage_probe.h"
#include "os/topology.h"

namespace hearth {

struct DoctorSettings {
  ModelFlags model;  // folder: empty: predict for the known checkpoints
  bool quick = false;
};

struct BandwidthPoint {
  int threads = 0;
  double sequential_bytes_per_s = 0;
  double random_bytes_per_s = 0;  // in blocks of 576 KiB, an expert matrix with its scales
};

struct DoctorReport {
  std::string cpu;
  std::string kernel_set;
  std::vector<std::string> kernel_sets;  // that run here, the slowest first
  int threads = 0;
  TopologySummary topology;
  MachineInfo machine;
  uint64_t available_bytes = 0;
  std::vector<BandwidthPoint> bandwidth;  // by threads
  double int8_macs_per_s = 0;
  double bf16_macs_per_s = 0;
  double processor_share = 1;  // of the workers' processors, what this process got of them
  std::string storage_folder;
  StorageSpeed storage;
  std::vector<Prediction> predictions;
  std::string prediction_problem;  // why there are none
  double seconds = 0;
};

/// `say`: called with what comes next. Throws LoadError for a folder that is no model, UsageError.
DoctorReport run_doctor(const DoctorSettings& settings,
                        const std::function<void(const std::string&)>& say);

}  // namespace hearth
