# The double in a container: docker build -t segmind-mock . && docker run -p 4010:4010 segmind-mock
FROM python:3.13-slim
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir '.[redis,pictures]'
USER nobody
EXPOSE 4010
ENTRYPOINT ["segmind-mock", "--host", "0.0.0.0", "--port", "4010"]
