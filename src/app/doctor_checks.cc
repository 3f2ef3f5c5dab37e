#include "app/doctor_checks.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth {
namespace {

constexpr uint64_t kLeastMemory = uint64_t{512} << 20;  // below, not even scratch and states fit
constexpr double kSlowDisk = 0.8e9;                     // bytes per second
constexpr double kQuiet = 0.93;                         // share of the processors
constexpr uint64_t kFewFiles = 256;                     // a checkpoint has some ten shards

double gb(uint64_t bytes) { return static_cast<double>(bytes) / 1e9; }

class Lines {
 public:
  explicit Lines(const DoctorReport& report) : r_(report) {}

  std::vector<CheckLine> machine() {
    processor();
    cores();
    memory();
    pages();
    bandwidth();
    arithmetic();
    storage();
    limits();
    for (const std::string& gpu : r_.machine.gpus) {
      pass("gpu", gpu + "; not used by this build");
    }
    if (r_.machine.gpus.empty()) pass("gpu", "none; hearth needs none");
    return std::move(lines_);
  }

  std::vector<CheckLine> models() {
    for (const Prediction& prediction : r_.predictions) model(prediction);
    if (!r_.prediction_problem.empty()) {
      warn("prediction", "none: " + r_.prediction_problem,
           "Free memory and run hearth doctor again.");
    }
    return std::move(lines_);
  }

 private:
  void pass(std::string topic, std::string text) {
    lines_.push_back({CheckStatus::kPass, std::move(topic), std::move(text), ""});
  }
  void warn(std::string topic, std::string text, std::string fix) {
    lines_.push_back({CheckStatus::kWarn, std::move(topic), std::move(text), std::move(fix)});
  }
  void fail(std::string topic, std::string text, std::string fix, bool blocking) {
    lines_.push_back(
        {CheckStatus::kFail, std::move(topic), std::move(text), std::move(fix), blocking});
  }

  void processor() {
    std::string others;
    for (const std::string& set : r_.kernel_sets) {
      if (set != r_.kernel_set) others += (others.empty() ? "" : ", ") + set;
    }
    const bool best = r_.kernel_sets.empty() || r_.kernel_set == r_.kernel_sets.back();
    const std::string text =
        fmt::format("{}: kernel set {}, {}; also runs {}", r_.cpu, r_.kernel_set,
                    best ? "the best of this build that it can run" : "as asked for",
                    others.empty() ? "nothing else" : others);
    const auto has = [&](const char* name) {
      return std::ranges::find(r_.kernel_sets, name) != r_.kernel_sets.end();
    };
    if (r_.kernel_set == "reference") {
      warn("processor", text,
           "Use a processor with AVX2 or better, or 64-bit ARM with dot products: without, hearth "
           "runs some fifty times slower.");
    } else if (has("avx2") && !has("avx512") && !has("avxvnni")) {
      warn("processor", text,
           "A processor with VNNI (AVX-512 or AVX) computes prompts about twice as fast.");
    } else {
      pass("processor", text);
    }
  }

  void cores() {
    const TopologySummary& t = r_.topology;
    std::string text = fmt::format("{} core{}, {}", t.cores, t.cores == 1 ? "" : "s",
                                   t.processors > t.cores ? "hyper-threads left out" : "no SMT");
    text +=
        fmt::format(", {} package{}, {} memory node{}", t.packages, t.packages == 1 ? "" : "s",
                    t.memory_nodes, t.memory_nodes == 1 ? "" : "s, over which weights are spread");
    if (t.core_kinds > 1)
      text += fmt::format(", {} kinds of cores, the fast ones first", t.core_kinds);
    text += fmt::format("; {} worker{}", r_.threads, r_.threads == 1 ? "" : "s");
    const std::optional<double> quota = r_.machine.group_processors;
    if (quota && *quota < r_.threads) {
      warn("cores", fmt::format("{}, of which the control group grants {:.1f}", text, *quota),
           fmt::format("Raise the quota (--cpus of a container, CPUQuota= of a service), or run "
                       "with -t {}.",
                       std::max(1, static_cast<int>(*quota))));
    } else if (t.usable_cores < t.cores) {
      warn("cores", fmt::format("{}; this process may use {}", text, t.usable_cores),
           "Lift the affinity (taskset, cpuset) for all cores.");
    } else {
      pass("cores", text);
    }
    const std::string& governor = r_.machine.governor;
    if (governor == "powersave") {
      warn("clock", "CPU governor powersave",
           "`cpupower frequency-set -g performance`, unless the driver is a pstate one that raises "
           "the clock by itself.");
    } else if (!governor.empty()) {
      pass("clock", "CPU governor " + governor);
    }
    if (!r_.machine.hypervisor.empty()) {
      pass("virtual",
           fmt::format(
               "a virtual machine{}: its speed drifts with its neighbours",
               r_.machine.hypervisor == "yes" ? "" : fmt::format(" ({})", r_.machine.hypervisor)));
    }
  }

  void memory() {
    const std::string text = fmt::format("{:.1f} GB, {:.1f} available", gb(r_.machine.total_bytes),
                                         gb(r_.available_bytes));
    const std::optional<uint64_t> limit = r_.machine.group_memory_bytes;
    if (r_.available_bytes < kLeastMemory) {
      fail("memory", text, "Free at least 0.5 GB: hearth cannot run with less.", true);
    } else if (limit && *limit < r_.machine.total_bytes) {
      warn("memory", fmt::format("{}; the control group allows {:.1f}", text, gb(*limit)),
           "Raise the limit (--memory of a container, MemoryMax= of a service) for larger models.");
    } else {
      pass("memory", text);
    }
  }

  void pages() {
    const std::string& mode = r_.machine.transparent_huge_pages;
    if (mode == "always" || mode == "madvise") {
      pass("huge pages", "transparent huge pages: " + mode);
    } else {
      warn("huge pages", mode.empty() ? "the kernel has none" : "transparent huge pages: " + mode,
           "`echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`: resident weights are "
           "read faster.");
    }
    if (r_.machine.reserved_huge_pages > 0) {
      warn(
          "hugetlb",
          fmt::format("{} reserved pages that hearth does not use", r_.machine.reserved_huge_pages),
          "`sysctl vm.nr_hugepages=0` gives their memory back, unless something else needs them.");
    }
    if (r_.machine.overcommit_mode == 2) {
      warn("overcommit", "strict (vm.overcommit_memory = 2)",
           "Mapped weights do not count, resident ones do: `sysctl vm.overcommit_memory=0` if "
           "memory is refused.");
    }
  }

  void bandwidth() {
    std::string text = "random blocks";
    for (const BandwidthPoint& point : r_.bandwidth) {
      text +=
          fmt::format("{} {:.1f} GB/s ({} thread{})", &point == r_.bandwidth.data() ? "" : ",",
                      point.random_bytes_per_s / 1e9, point.threads, point.threads == 1 ? "" : "s");
    }
    if (r_.bandwidth.empty()) return;
    text += fmt::format("; in order {:.1f} GB/s", r_.bandwidth.back().sequential_bytes_per_s / 1e9);
    pass("bandwidth", text);
  }

  void arithmetic() {
    pass("arithmetic", fmt::format("int8 {:.0f}, bf16 {:.0f} GMAC/s, all workers",
                                   r_.int8_macs_per_s / 1e9, r_.bf16_macs_per_s / 1e9));
    if (r_.processor_share >= kQuiet) return;
    warn("busy",
         fmt::format("other programs took {:.0f} % of the processors meanwhile",
                     100 * (1 - r_.processor_share)),
         "All speeds here, predictions too, are lower by what they took: close them and run hearth "
         "doctor again.");
  }

  void storage() {
    const StorageSpeed& s = r_.storage;
    const std::string where = fmt::format("{} ({})", r_.storage_folder, s.file_system.type);
    if (s.file_system.in_memory()) {
      pass("storage", where + ": in memory, which it takes from the models");
      return;
    }
    if (!s.problem.empty()) {
      warn("storage", fmt::format("{}: not measured, {}", where, s.problem),
           "Run hearth doctor in, or with --model of, a folder on the disk that holds the models.");
      return;
    }
    std::string text = fmt::format(
        "{}: {:.2f} GB/s in order, {:.2f} in random 512 KiB, {:.0f} reads of 4 KiB a second, "
        "{:.0f} "
        "GB free",
        where, s.sequential_bytes_per_s / 1e9, s.random_large_bytes_per_s / 1e9,
        s.random_small_per_s, gb(s.file_system.free_bytes));
    if (s.file_system.type == "overlay") text += "; an overlay: put models on a volume";
    if (s.sequential_bytes_per_s >= kSlowDisk) return pass("storage", text);
    warn("storage", text,
         fmt::format("43 GB take {:.0f} s to load: an NVMe disk reads them in 10 to 20.",
                     43e9 / std::max(s.sequential_bytes_per_s, 1.0)));
  }

  void limits() {
    const std::optional<uint64_t> locked = r_.machine.locked_bytes;
    if (locked && *locked < r_.available_bytes) {
      warn("locked memory",
           fmt::format("{:.1f} MB may be locked: --lock will be refused",
                       static_cast<double>(*locked) / 1e6),
           "Only for --lock: `ulimit -l unlimited`, LimitMEMLOCK=infinity of a service, --ulimit "
           "memlock=-1 of a container.");
    } else {
      pass("locked memory", "enough for --lock");
    }
    if (r_.machine.open_files < kFewFiles) {
      warn("open files", fmt::format("{}", r_.machine.open_files), "`ulimit -n 1024`.");
    } else {
      pass("open files", fmt::format("{}", r_.machine.open_files));
    }
    if (r_.machine.swap_bytes > 0) {
      pass("swap", fmt::format("{:.1f} GB; hearth plans without it", gb(r_.machine.swap_bytes)));
    }
  }

  void model(const Prediction& p) {
    const SpeedCurve& c = p.curve;
    const std::string speed = fmt::format(
        "prefill {:.0f} tokens/s (512) to {:.0f} (16k), decode {:.1f}, {:.1f} after 16k",
        c.prefill_tokens_per_s(512), c.prefill_tokens_per_s(kDeepTokens), c.decode_tokens_per_s(0),
        c.decode_tokens_per_s(kDeepTokens));
    const double needed = gb(p.ledger.anonymous_bytes(Residency::kResident));
    std::string fix;
    for (const std::string& help : p.help) fix += (fix.empty() ? "" : " ") + help;
    switch (p.fit) {
      case Fit::kFits:
        lines_.push_back({CheckStatus::kPass, p.name,
                          fmt::format("{:.1f} GB of memory; {}", needed, speed), fix});
        return;
      case Fit::kWithMore:
        return warn(p.name,
                    fmt::format("{:.1f} GB of memory, {:.1f} of which others hold now; then {}",
                                needed, gb(p.missing_bytes), speed),
                    fix);
      case Fit::kFromDisk: {
        const std::string disk =
            p.disk_decode_tokens_per_s > 0
                ? fmt::format(
                      "experts from the disk: at most {:.2f} tokens/s in decode, {:.1f} in "
                      "prefill",
                      p.disk_decode_tokens_per_s, p.disk_prefill_tokens_per_s)
                : "experts from the disk, slowly";
        return fail(p.name,
                    fmt::format("{:.1f} GB of memory, {:.1f} too many; {}. In memory: {}", needed,
                                gb(p.missing_bytes), disk, speed),
                    fix, false);
      }
      case Fit::kNot:
        return fail(p.name,
                    fmt::format("{:.1f} GB of memory, {:.1f} of them unmapped: more than there is",
                                needed, gb(p.ledger.anonymous_bytes(Residency::kMapped))),
                    fix, false);
    }
  }

  const DoctorReport& r_;
  std::vector<CheckLine> lines_;
};

}  // namespace

std::string_view status_name(CheckStatus status) {
  switch (status) {
    case CheckStatus::kPass: return "pass";
    case CheckStatus::kWarn: return "warn";
    case CheckStatus::kFail: return "fail";
  }
  return "";
}

std::vector<CheckLine> machine_checks(const DoctorReport& report) {
  return Lines(report).machine();
}

std::vector<CheckLine> model_checks(const DoctorReport& report) { return Lines(report).models(); }

std::vector<CheckLine> doctor_checks(const DoctorReport& report) {
  std::vector<CheckLine> lines = machine_checks(report);
  for (CheckLine& line : model_checks(report)) lines.push_back(std::move(line));
  return lines;
}

}  // namespace hearth
