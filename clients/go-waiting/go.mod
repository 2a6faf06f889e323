module segmind-example/waiting

go 1.24
