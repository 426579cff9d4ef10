#!/bin/sh
# Makes the samples again. The tests use the files that are committed; this is how they came about.
# Debian packages: espeak-ng sox libsox-fmt-mp3 ffmpeg. Python packages: pillow pypdf.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

said="Good morning. This is Dropsight speaking. The parcel for Miss Tanaka leaves on Tuesday at nine. Please confirm by noon."
espeak-ng -v en-us -s 165 -w "$work/said.wav" "$said"
sox -D "$work/said.wav" -r 16000 -b 16 -c 1 speech.wav
sox -D speech.wav speech.flac
ffmpeg -v error -y -i speech.wav -codec:a libmp3lame -b:a 32k -map_metadata -1 -fflags +bitexact speech.mp3
ffmpeg -v error -y -i speech.wav -codec:a libvorbis -q:a 1 -map_metadata -1 -fflags +bitexact speech.ogg
ffmpeg -v error -y -i speech.wav -codec:a aac -b:a 32k -map_metadata -1 -fflags +bitexact speech.m4a

# Three seconds of a moving test picture with a tone.
ffmpeg -v error -y -f lavfi -i testsrc2=size=320x240:rate=10:duration=3 -f lavfi -i sine=frequency=440:duration=3 \
    -codec:v libx264 -preset veryslow -crf 34 -pix_fmt yuv420p -codec:a aac -b:a 32k -shortest \
    -map_metadata -1 -fflags +bitexact -movflags +faststart clip.mp4

# The formats of the ugly ones that need an encoder; ugly/make.py makes the rest.
cut="-t 1 -map_metadata -1 -fflags +bitexact -flags +bitexact"
ffmpeg -v error -y -i speech.wav $cut -codec:a libmp3lame -q:a 6 ugly/vbr.mp3
ffmpeg -v error -y -i speech.wav $cut -codec:a aac -b:a 24k -f adts ugly/speech.aac
ffmpeg -v error -y -i speech.wav $cut -codec:a libopus -b:a 16k ugly/speech.opus
ffmpeg -v error -y -i speech.wav $cut -codec:a libopus -b:a 16k ugly/speech.webm
ffmpeg -v error -y -i speech.wav $cut -codec:a pcm_s16be ugly/speech.aiff
ffmpeg -v error -y -i speech.wav $cut -codec:a mp2 -b:a 32k ugly/speech.mp2
ffmpeg -v error -y -i speech.wav $cut -codec:a wmav2 -b:a 24k ugly/speech.wma
ffmpeg -v error -y -i speech.wav $cut -ar 8000 -codec:a dca -strict -2 -b:a 32k ugly/speech.dts
ffmpeg -v error -y -i clip.mp4 $cut -codec copy ugly/moov-last.mp4
ffmpeg -v error -y -i clip.mp4 $cut -codec copy ugly/clip.mov
ffmpeg -v error -y -i clip.mp4 $cut -codec copy ugly/clip.mkv
ffmpeg -v error -y -i clip.mp4 $cut -codec copy -movflags frag_keyframe+empty_moov ugly/fragmented.mp4
ffmpeg -v error -y -i clip.mp4 $cut -codec copy -f mpegts ugly/clip.ts
ffmpeg -v error -y -i clip.mp4 $cut -s 160x120 -codec:v libvpx -b:v 40k -an ugly/clip.webm
ffmpeg -v error -y -i clip.mp4 $cut -s 160x120 -codec:v mpeg4 -qscale:v 20 -codec:a libmp3lame -ar 16000 -b:a 16k ugly/clip.avi
ffmpeg -v error -y -i clip.mp4 $cut -s 160x120 -codec:v flv1 -qscale:v 20 -codec:a libmp3lame -ar 22050 -b:a 16k ugly/clip.flv
ffmpeg -v error -y -i clip.mp4 $cut -s 160x120 -r 25 -codec:v mpeg2video -qscale:v 20 -codec:a mp2 -b:a 64k -f vob ugly/clip.mpg
ffmpeg -v error -y -i clip.mp4 $cut -s 160x120 -codec:v wmv2 -qscale:v 20 -codec:a wmav2 -b:a 24k ugly/clip.wmv
ffmpeg -v error -y -i clip.mp4 $cut -s 176x144 -codec:v h263 -qscale:v 20 -codec:a aac -ar 16000 -b:a 16k ugly/clip.3gp
ffmpeg -v error -y -i clip.mp4 $cut -s 160x120 -codec:v libtheora -q:v 2 -an ugly/clip.ogv

(cd ../.. && python3 -m tests.samples.pictures && python3 -m tests.samples.ugly.make)
