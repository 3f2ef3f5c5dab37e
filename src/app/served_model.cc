#include "app/served_model.h"

#include <exception>
#include <utility>

namespace hearth {

ServedModel::ServedModel(const GenerationFlags& flags, const TextEngine::Plan& plan,
                         const Options& options, const LoadSettings& settings) {
  thread_ = std::thread([&, this] { load(flags, plan, settings); });
  try {
    text_ = loaded_.get_future().get();
    AnswerServiceOptions chosen = options(*text_);
    chosen.on_first_token = [text = text_] { text->loaded().after_first_token(); };
    service_.emplace(text_->engine(), text_->model().config(), text_->format(), std::move(chosen));
  } catch (...) {
    ready_.set_value(nullptr);
    released_.set_value();
    thread_.join();
    throw;
  }
  ready_.set_value(&*service_);
}

/// Loads, and has the model answer for as long as there is a service.
void ServedModel::load(const GenerationFlags& flags, const TextEngine::Plan& plan,
                       const LoadSettings& settings) {
  std::optional<TextEngine> text;
  try {
    text.emplace(flags, plan, settings);
  } catch (...) {
    loaded_.set_exception(std::current_exception());
    return;
  }
  loaded_.set_value(&*text);
  if (EngineAnswerService* const service = ready_.get_future().get()) service->run();
  ended_.set_value();
  released_.get_future().wait();
}

ServedModel::~ServedModel() {
  service_->stop();
  ended_.get_future().wait();
  service_.reset();
  released_.set_value();
  thread_.join();
}

}  // namespace hearth
