#include "tests/hub/fake_hub.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/model_source.h"

namespace hearth::testing {
namespace {

namespace fs = std::filesystem;

/// Reads a line, byte by byte: no more than the line shall be taken from the pipe.
std::string read_line(int file) {
  std::string line;
  char c = 0;
  while (::read(file, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

}  // namespace

RepoFiles small_model() {
  const TempFolder folder;
  tiny_model(2).write(folder.path());
  RepoFiles files = {{"tokenizer.json", "{}"},
                     {"README.md", "A small model.\n"},
                     {".gitattributes", "*.safetensors filter=lfs\n"},
                     {"original/consolidated.pth", "not for hearth"}};
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.path())) {
    files[entry.path().filename().string()] = read_file(entry.path());
  }
  return files;
}

Child start_program(const std::vector<std::string>& command,
                    const std::vector<std::string>& environment, bool quiet) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) {
    throw std::runtime_error("no pipe");
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int nowhere = ::open("/dev/null", O_RDWR);
    ::dup2(quiet ? nowhere : input[0], STDIN_FILENO);
    ::dup2(quiet ? nowhere : output[1], STDOUT_FILENO);
    if (quiet) ::dup2(nowhere, STDERR_FILENO);
    for (const std::string& variable : environment) ::putenv(const_cast<char*>(variable.c_str()));
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(input[0]);
  ::close(output[1]);
  if (!quiet) return {pid, input[1], output[0]};
  ::close(input[1]);
  ::close(output[0]);
  return {pid, -1, -1};
}

bool FakeHub::can_run() { return std::system("python3 -c 'import http.server' 2>/dev/null") == 0; }

FakeHub::FakeHub() {
  add(kRepo, kCommit, small_model());
  behave(nlohmann::json::object());
  child_ = start_program({"python3", "tests/hub/fake_hub.py", folder_.path().string()},
                         {"PYTHONDONTWRITEBYTECODE=1"}, false);
  std::istringstream ports(read_line(child_.output));
  if (!(ports >> hub_port_ >> storage_port_)) throw std::runtime_error("fake_hub.py did not start");
}

FakeHub::~FakeHub() {
  ::close(child_.input);  // that is its sign to end
  ::close(child_.output);
  ::waitpid(child_.pid, nullptr, 0);
}

void FakeHub::add(const std::string& repo, const std::string& commit, const RepoFiles& files) {
  for (const auto& [name, content] : files) {
    const fs::path path = folder_.path() / repo / commit / name;
    fs::create_directories(path.parent_path());
    write_file(path, content);
  }
}

void FakeHub::behave(nlohmann::json behaviour) {
  if (!behaviour.contains("refs")) behaviour["refs"] = {{kRepo, {{"main", kCommit}}}};
  write_file(folder_.path() / "behaviour.new", behaviour.dump());
  fs::rename(folder_.path() / "behaviour.new", folder_.path() / "behaviour.json");
}

std::vector<nlohmann::json> FakeHub::requests() {
  std::vector<nlohmann::json> rows;
  std::ifstream file(folder_.path() / "requests.log");
  std::string line;
  for (size_t i = 0; std::getline(file, line); ++i) {
    if (i >= requests_read_) rows.push_back(nlohmann::json::parse(line));
  }
  requests_read_ += rows.size();
  return rows;
}

HubSettings FakeHub::settings(const fs::path& cache) const {
  HubSettings settings;
  settings.cache = cache;
  settings.endpoint = endpoint();
  return settings;
}

}  // namespace hearth::testing
