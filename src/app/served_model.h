// A model that answers in a thread of its own.
#pragma once

#include <functional>
#include <future>
#include <optional>
#include <thread>

#include "answer/engine_answer_service.h"
#include "app/text_engine.h"

namespace hearth {

/// The thread that loads the model runs its forward passes, too. It is the first of its workers and
/// pinned to a core like them: nobody else's business is done there, and no thread started from it.
class ServedModel {
 public:
  /// Called once the model is loaded. May throw.
  using Options = std::function<AnswerServiceOptions(TextEngine& text)>;

  /// Returns once the model is loaded. Throws what TextEngine and `options` throw.
  ServedModel(const GenerationFlags& flags, const TextEngine::Plan& plan, const Options& options,
              const LoadSettings& settings);
  /// Stops the service; whoever still waits for an answer hears so.
  ~ServedModel();

  EngineAnswerService& service() { return *service_; }
  TextEngine& text() { return *text_; }

 private:
  void load(const GenerationFlags& flags, const TextEngine::Plan& plan,
            const LoadSettings& settings);

  std::promise<TextEngine*> loaded_;
  std::promise<EngineAnswerService*> ready_;  // null: there will be none
  std::promise<void> ended_;                  // the service runs no more
  std::promise<void> released_;               // and is gone
  TextEngine* text_ = nullptr;                // of the thread
  std::optional<EngineAnswerService> service_;
  std::thread thread_;
};

}  // namespace hearth
